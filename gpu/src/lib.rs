//! The council on a graphics processor: the words of the reference, for many tenants at a time.
//!
//! Votes are integers that everyone finds alike (`docs/council-spec.md`), so it does not matter for
//! any decision where they are computed. A device makes large batches faster: verifying a log,
//! trying out another council. It never makes a lone decision faster, and never decides whether
//! there is one: whatever happens to it is a [`GpuFault`], and the processor computes instead.
//!
//! [`adapters`] lists what there is, best first → [`GpuCouncil::start`] opens one for a council's
//! file, and refuses it unless it finds every golden word ([`GpuCouncil::start_best`] goes down the
//! list) → [`GpuCouncil::compute`] answers a batch of [runs](conclave_core::council::Run), or says
//! within a second why it does not. The states after all steps and the logits come from the device
//! as well.
//!
//! Reading order, from words to silicon and back: `Run` → `wave` (what is submitted at once)
//! → `layout` (its bytes) → `model` (the council's bytes) → `shader` and `wgsl/council.wgsl` (what
//! a device does with them) → `pipeline`, `slot`, `device` (wgpu) → [`Machine`], [`WgpuMachine`] →
//! [`self_test()`] → `owner` (the thread) → [`GpuCouncil`] → [`measure()`].
//!
//! # What a fault is
//! A device that is lost, answers late, panics in its driver or finds another golden word ends for
//! good, with the reason. Golden words are compared before the first batch and, a few of them,
//! beside every batch. A device that errs in some other words only is not noticed here: whoever
//! needs to know recomputes votes on the processor, which finds the same words.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod adapter;
mod at_once;
mod batch;
mod council;
mod device;
mod fault;
mod layout;
mod machine;
mod measure;
mod model;
mod owner;
mod pipeline;
mod self_test;
mod shader;
mod slot;
mod wave;
mod wgpu_machine;

pub use adapter::{AdapterCard, AdapterKind, GpuAdapter, Software, adapters};
pub use batch::{BATCH_RUNS_MAX, BATCH_STEPS_MAX};
pub use council::{GpuCouncil, PATIENCE_MAX, SOFTWARE_PATIENCE_MAX};
pub use fault::GpuFault;
pub use machine::{Machine, Stop};
pub use measure::{BATCH_SIZES, BatchFigure, measure, one_step_each};
pub use self_test::self_test;
pub use shader::{TURN_STEPS, Variant, shader_text};
pub use wgpu_machine::WgpuMachine;
