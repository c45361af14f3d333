//! `OpenLog`: the first record of a partition.

use super::stage_one::Bounds;
use crate::command::OpenLog;
use crate::decision::{Event, LogOpened, Rejected};
use crate::draft::Draft;
use crate::limits::{
    DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX, PARTITION_COUNT_MAX, ROUND_COMMANDS_MAX,
};

pub(super) fn check(open: &OpenLog) -> Result<(), Rejected> {
    Bounds::id("log_id", &open.log_id.0)?;
    Bounds::number("partition_count", open.partition_count, 1, PARTITION_COUNT_MAX)?;
    Bounds::number("round_commands", open.round_commands, 1, ROUND_COMMANDS_MAX)?;
    Bounds::number("duplicate_ids", open.duplicate_ids, 0, DUPLICATE_IDS_MAX)?;
    let window_ms = open.duplicate_window_ms.0;
    Bounds::number("duplicate_window_ms", window_ms, 0, DUPLICATE_WINDOW_MS_MAX.0)
}

pub(super) fn decide(draft: &mut Draft, open: &OpenLog) -> Result<(), Rejected> {
    let least = draft.state.partition + 1;
    Bounds::number("partition_count", open.partition_count, least, PARTITION_COUNT_MAX)?;
    draft.emit(Event::LogOpened(LogOpened { log: open.clone() }));
    Ok(())
}
