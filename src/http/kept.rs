//! Commands that an outbox keeps until the log has them: what whoever waits is told, and when.

use super::commands::accepted;
use super::parts::Part;
use super::problem::Problem;
use crate::service::{Answer, Pending, Position, SubmitError};
use conclave_core::units::Offset;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long whoever waits for acceptance waits for the offset, too, once the command is kept.
const OFFSET_PATIENCE: Duration = Duration::from_millis(200);
/// How long before the request's own end a decision is given up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long one request waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    began: Instant,
    limit: Duration,
}

impl Patience {
    /// Of a request that is there now, and has to be answered within so long.
    pub(super) fn from_now(limit_ms: u64) -> Self {
        Self { began: Instant::now(), limit: Duration::from_millis(limit_ms) }
    }

    /// Says where an accepted command stands: in the log, in the outbox that keeps it for the log,
    /// or in both if the log has it in a moment.
    ///
    /// # Errors
    /// Why it was not accepted.
    pub(super) async fn accepted(
        &self,
        mut pending: Pending<Offset>,
        part: &Part,
    ) -> Result<Vec<u8>, Problem> {
        let Some(position) = pending.kept().await else {
            return Ok(accepted(pending.wait().await?));
        };
        if part.service().contact().is_away() {
            return Ok(kept(position, None));
        }
        // What the outbox keeps is accepted, whatever becomes of it now.
        let stored = timeout_at(self.began + OFFSET_PATIENCE, pending.wait()).await;
        Ok(kept(position, stored.ok().and_then(Result::ok)))
    }

    /// Waits for a decision: not until nobody is told any more and, of a command that an outbox
    /// keeps, not when nobody decides.
    ///
    /// # Errors
    /// Why there is none; of a command that is kept with its position.
    pub(super) async fn decided(
        &self,
        mut pending: Pending<Answer>,
        part: &Part,
    ) -> Result<Answer, Problem> {
        let until = self.began + self.limit.saturating_sub(LAST_WORDS.min(self.limit / 10));
        let Some(position) = pending.kept().await else {
            return match timeout_at(until, pending.wait()).await {
                Ok(answered) => Ok(answered?),
                Err(_) => Err(Problem::timeout(format!(
                    "{}; it may have been accepted, and then will be decided: send it again with \
                     the same id to hear how",
                    self.too_late(part)
                ))),
            };
        };
        let answered = tokio::select! {
            biased;
            answered = timeout_at(until, pending.wait()) => answered,
            () = part.service().deserted() => Ok(Err(SubmitError::Closing)),
        };
        let why = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error @ (SubmitError::Away(_) | SubmitError::Closing))) => error.to_string(),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => self.too_late(part),
        };
        Err(Problem::timeout(format!(
            "{why}; the command is kept and will be decided: ask for \
             /v1/pools/POOL/commands/COMMAND_ID later, or send it again with the same id"
        ))
        .kept(position))
    }

    /// That there is no decision yet and, where it is known, what is waited for.
    fn too_late(&self, part: &Part) -> String {
        let awaiting = part.service().awaiting();
        let why = awaiting.map_or_else(String::new, |one| format!(": {}", one.sentence()));
        format!("it was not decided within {} ms{why}", self.limit.as_millis())
    }
}

fn kept(position: Position, offset: Option<Offset>) -> Vec<u8> {
    let Position(position) = position;
    match offset {
        Some(offset) => format!("{{\"offset\":{offset},\"position\":{position}}}").into_bytes(),
        None => format!("{{\"position\":{position}}}").into_bytes(),
    }
}
