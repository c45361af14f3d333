//! Jobs as Slurm's accounting tells of them: `sacct` in its parsable form, rows of the job table of
//! slurmdbd, and what `sacctmgr` says of accounts.
//!
//! Reading order: this file (what a job is), [`sacct`] and [`slurmdbd`] (the two forms), [`tres`]
//! (how many GPUs), [`hosts`] (on which nodes), [`accounts`] (who belongs to whom).

pub mod accounts;
pub mod hosts;
mod moment;
pub mod sacct;
pub mod slurmdbd;
pub mod tres;

use conclave_core::command::WorkOutcome;
use conclave_core::units::{DurationMs, TimeMs};
use tres::Gpus;

/// GPUs of one job, and nodes that it may name.
pub const JOB_GPUS_MAX: i64 = 1_024;

/// A row of an accounting table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A job, an element of an array, or a component of a heterogeneous job.
    Job(Box<JobRow>),
    /// A step of a job that has a row of its own.
    Step,
}

/// One run of a job. A job that was requeued has several, where the table tells of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its number as Slurm writes it; none when the table does not have it whole.
    pub id: Option<String>,
    /// Who asked.
    pub user: String,
    /// Who pays; none when the table does not say.
    pub account: Option<String>,
    /// Where it was sent, and as what; empty when the table does not say.
    pub partition: String,
    /// Its quality of service.
    pub qos: String,
    /// How it stands or ended.
    pub state: JobState,
    /// When it could first have started: once it was submitted, and what it depends on was there.
    pub eligible_ms: TimeMs,
    /// When it started; none when it did not.
    pub started_ms: Option<TimeMs>,
    /// When it ended; none while it has not.
    pub ended_ms: Option<TimeMs>,
    /// How long it might have run; none where nothing limited it.
    pub limit_ms: Option<DurationMs>,
    /// What it asked for.
    pub gpus: Gpus,
    /// What it held, as far as the table says.
    pub held: Gpus,
    /// On so many nodes; at least one.
    pub node_count: i64,
    /// Their names, where the table has them.
    pub hosts: Vec<String>,
}

/// How a job stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// Somebody withdrew it, before or after its start.
    Cancelled,
    /// It ran into its time limit.
    Timeout,
    /// A node broke under it.
    NodeFail,
    /// It had to make room.
    Preempted,
    /// This run ended, and the job waited again.
    Requeued,
    /// It used more memory than it had.
    OutOfMemory,
    /// A node did not boot.
    BootFail,
    /// Its deadline passed.
    Deadline,
    /// Another cluster took it.
    Revoked,
    /// It waits.
    Pending,
    /// It runs.
    Running,
    /// It stands still.
    Suspended,
}

impl JobState {
    /// All of them, with Slurm's name and its number in the job table, as far as it has one.
    const ALL: [(Self, &'static str, Option<i64>); 14] = [
        (Self::Pending, "PENDING", Some(0)),
        (Self::Running, "RUNNING", Some(1)),
        (Self::Suspended, "SUSPENDED", Some(2)),
        (Self::Completed, "COMPLETED", Some(3)),
        (Self::Cancelled, "CANCELLED", Some(4)),
        (Self::Failed, "FAILED", Some(5)),
        (Self::Timeout, "TIMEOUT", Some(6)),
        (Self::NodeFail, "NODE_FAIL", Some(7)),
        (Self::Preempted, "PREEMPTED", Some(8)),
        (Self::BootFail, "BOOT_FAIL", Some(9)),
        (Self::Deadline, "DEADLINE", Some(10)),
        (Self::OutOfMemory, "OUT_OF_MEMORY", Some(11)),
        (Self::Requeued, "REQUEUED", None),
        (Self::Revoked, "REVOKED", None),
    ];

    /// The state that `sacct` calls so; `CANCELLED by 1000` is one.
    fn named(text: &str) -> Option<Self> {
        let word = text.split_once(" by ").map_or(text, |(word, _)| word).trim_end_matches('+');
        Self::ALL.into_iter().find(|(_, name, _)| *name == word).map(|(state, ..)| state)
    }

    /// The state of this number. Flags stand above the lowest byte.
    fn numbered(number: i64) -> Option<Self> {
        let base = Some(number & 0xff);
        Self::ALL.into_iter().find(|(.., at)| *at == base).map(|(state, ..)| state)
    }

    /// As `sacct` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(state, ..)| *state == self);
        found.map_or("", |(_, name, _)| name)
    }

    /// How the work ended, as its holder would say it.
    #[must_use]
    pub fn outcome(self) -> WorkOutcome {
        match self {
            Self::Completed => WorkOutcome::Succeeded,
            Self::Failed | Self::NodeFail | Self::OutOfMemory | Self::BootFail => {
                WorkOutcome::Failed
            }
            Self::Cancelled
            | Self::Timeout
            | Self::Preempted
            | Self::Requeued
            | Self::Deadline
            | Self::Revoked => WorkOutcome::Stopped,
            Self::Pending | Self::Running | Self::Suspended => WorkOutcome::Unknown,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Suspended)
    }
}

#[cfg(test)]
mod tests {
    use super::JobState;

    #[test]
    fn states_by_name_and_by_number() {
        for (state, name, number) in JobState::ALL {
            assert_eq!((JobState::named(name), state.name()), (Some(state), name));
            if let Some(number) = number {
                assert_eq!(JobState::numbered(number), Some(state));
                assert_eq!(JobState::numbered(number | 0x400), Some(state), "requeued");
            }
        }
        assert_eq!(JobState::named("CANCELLED by 1000"), Some(JobState::Cancelled));
        assert_eq!(JobState::named("CANCELLED+"), Some(JobState::Cancelled));
        assert_eq!(JobState::named("COMPLETE"), None);
        assert_eq!(JobState::numbered(99), None);
    }
}
