//! Conclave itself: one engine per partition, each on a thread of its own.

use crate::contender::Task;

/// Whether there is a log on Kafka to run an engine on.
pub(crate) const IS_THERE: bool = false;

/// Decides every command of `task`.
pub(crate) fn compete(task: &Task) {
    unimplemented!("the log on Kafka is not there yet: {task:?}");
}
