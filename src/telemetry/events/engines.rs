//! What becomes of the GPUs that votes are computed on. `council::engine` counts it.

use super::names;
use std::fmt::Display;

/// A device passed its tests and is used.
#[derive(Clone, Copy, Debug)]
pub struct GpuOpened<A> {
    /// What it says of itself.
    pub adapter: A,
    /// How it computes.
    pub way: &'static str,
    /// Steps from which on it is given a ballot; none when there is no such number.
    pub crossover: Option<usize>,
}

/// An adapter is not fit.
#[derive(Clone, Copy, Debug)]
pub struct GpuRefused<A, R> {
    /// What it says of itself.
    pub adapter: A,
    /// Why.
    pub reason: R,
}

/// No device can be had for now.
#[derive(Clone, Copy, Debug)]
pub struct GpuAbsent<R> {
    /// Why.
    pub reason: R,
}

/// A device did not answer, or not what the processor finds: the processor answers.
#[derive(Clone, Copy, Debug)]
pub struct GpuFailed<A, R> {
    /// What it says of itself.
    pub adapter: A,
    /// What kind of fault it is, as metrics spell it.
    pub class: &'static str,
    /// What happens next: to the device, never to a vote.
    pub then: AfterFault,
    /// What was seen.
    pub reason: R,
}

/// What happens to a device after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFault {
    /// It is asked again.
    GoesOn,
    /// It is opened and tested anew.
    OpenedAgain,
    /// It is not used again.
    Banned,
}

impl<A: Display> GpuOpened<A> {
    /// Logs it.
    pub fn emit(self) {
        tracing::info!(
            { names::ADAPTER } = %self.adapter,
            { names::WAY } = self.way,
            { names::CROSSOVER_COUNT } = self.crossover,
            "a GPU is here to vote on ballots of at least crossover_count steps; without that \
             number the processor is faster at all sizes"
        );
    }
}

impl<A: Display, R: Display> GpuRefused<A, R> {
    /// Logs it.
    pub fn emit(self) {
        tracing::warn!(
            { names::ADAPTER } = %self.adapter,
            { names::REASON } = %self.reason,
            "an adapter is not used"
        );
    }
}

impl<R: Display> GpuAbsent<R> {
    /// Logs it.
    pub fn emit(self) {
        tracing::warn!(
            { names::REASON } = %self.reason,
            "no GPU for now: the processor computes all votes, which are the same"
        );
    }
}

impl<A: Display, R: Display> GpuFailed<A, R> {
    /// Logs it, the louder the worse.
    pub fn emit(self) {
        let Self { adapter, class, then, reason } = self;
        match then {
            AfterFault::GoesOn => tracing::debug!(
                { names::ADAPTER } = %adapter,
                { names::CLASS } = class,
                { names::REASON } = %reason,
                "the processor votes instead of the GPU this time"
            ),
            AfterFault::OpenedAgain => tracing::warn!(
                { names::ADAPTER } = %adapter,
                { names::CLASS } = class,
                { names::REASON } = %reason,
                "the GPU failed: the processor votes until it is opened and tested again"
            ),
            AfterFault::Banned => tracing::error!(
                { names::ADAPTER } = %adapter,
                { names::CLASS } = class,
                { names::REASON } = %reason,
                "the GPU computes wrong votes and is not used again: the processor's count \
                 (docs/runbooks/gpu-mismatch.md)"
            ),
        }
    }
}
