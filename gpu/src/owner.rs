//! The thread that owns a device: it alone submits, waits and reads back.

use crate::batch::check_shape;
use crate::fault::{GpuFault, Health};
use crate::machine::{Machine, Stop};
use crate::self_test::{Sentinels, self_test};
use conclave_core::council::{Council, CouncilFile, Ran, Run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

/// A batch, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) batch: Vec<Run>,
    pub(crate) until: Instant,
    pub(crate) answer: SyncSender<Result<Vec<Ran>, GpuFault>>,
}

/// A machine that passed its test.
pub(crate) struct Ready {
    pub(crate) way: &'static str,
    pub(crate) stop: Stop,
}

/// Opens a machine, tests it, says so, and answers orders until nobody is left to send any, or a
/// fault ends it.
pub(crate) fn own(
    file: &CouncilFile,
    open: impl FnOnce() -> Result<Box<dyn Machine>, GpuFault>,
    (ready, orders): (&SyncSender<Result<Ready, GpuFault>>, &Receiver<Order>),
    health: &Health,
    until: Instant,
) {
    let opened = caught(|| {
        let mut machine = open()?;
        self_test(machine.as_mut(), file, until)?;
        Ok(machine)
    });
    let told = match &opened {
        Ok(machine) => Ok(Ready { way: machine.way(), stop: machine.stop() }),
        Err(fault) => Err(fault.clone()),
    };
    if let (Ok(()), Ok(mut machine)) = (ready.send(told), opened) {
        serve(machine.as_mut(), file, orders, health);
    }
}

fn serve(machine: &mut dyn Machine, file: &CouncilFile, orders: &Receiver<Order>, health: &Health) {
    let mut sentinels = Sentinels::new(file);
    while let (Ok(()), Ok(order)) = (health.check(), orders.recv()) {
        let Order { batch, until, answer } = order;
        // Who waited for it is gone.
        if until <= Instant::now() {
            continue;
        }
        health.works_until(Some(until));
        let beside = (&mut sentinels, until);
        let computed = caught(|| compute(machine, file.council(), batch, beside));
        health.works_until(None);
        if let Err(fault) = &computed {
            health.fail(fault.clone());
        }
        // Who asked may have lost patience.
        drop(answer.send(computed));
    }
}

/// Computes `batch` and, beside it, something of which the words are known.
fn compute(
    machine: &mut dyn Machine,
    council: &Council,
    mut batch: Vec<Run>,
    (sentinels, until): (&mut Sentinels, Instant),
) -> Result<Vec<Ran>, GpuFault> {
    let (run, known) = sentinels.next();
    batch.push(run.clone());
    let mut all = machine.compute(&batch, until)?;
    check_shape(council, &batch, &all)?;
    match all.pop() {
        Some(last) if last == *known => Ok(all),
        Some(_) | None => Err(GpuFault::corrupt("a golden sequence beside the batch differs")),
    }
}

/// A driver that panics is a device that is lost.
fn caught<T>(act: impl FnOnce() -> Result<T, GpuFault>) -> Result<T, GpuFault> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(GpuFault::unavailable(format!("its driver panicked: {}", said.unwrap_or_default())))
    })
}
