//! Whether anybody is left in the group when this instance has left it.

use super::super::routes::Joined;
use super::POLL_MAX;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::groups::GroupInfo;
use std::time::{Duration, Instant};

/// How long the brokers may take to say who is in the group.
const MEMBERS_MAX: Duration = Duration::from_millis(300);
/// How long after a stop began the question may be put again: until then the views have their last
/// decisions and nobody has been waiting for long.
const ASKED_MAX: Duration = Duration::from_secs(2);

/// Whether nobody is in the group `name`, which `left` has left in a stop that began at `began`.
/// Not when the brokers do not say: of groups whose partitions they share out themselves they
/// answer another question only.
pub(super) fn is_deserted(left: &BaseConsumer<Joined>, name: &str, began: Instant) -> bool {
    let ask = || left.fetch_group_list(Some(name), MEMBERS_MAX);
    let pause = || drop(left.poll(5 * POLL_MAX));
    let is_empty = |group: &GroupInfo| group.name() == name && group.state() == "Empty";
    match answer(began + ASKED_MAX, ask, pause) {
        Ok(listed) => listed.groups().iter().any(is_empty),
        Err(error) => {
            tracing::debug!(%error, "nobody says whether the group is empty");
            false
        }
    }
}

/// The answer to a question that is put again, after a pause, while it fails as what passes does.
fn answer<T>(
    until: Instant,
    mut ask: impl FnMut() -> KafkaResult<T>,
    mut pause: impl FnMut(),
) -> KafkaResult<T> {
    loop {
        match ask() {
            Err(error) if passes(&error) && Instant::now() < until => pause(),
            answered => return answered,
        }
    }
}

/// Whether brokers that say this may answer in a moment.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a question comes to that fails with these codes first, and how often it was put.
    fn ask(until: Instant, codes: &[Code]) -> (KafkaResult<()>, usize) {
        let (mut asked, mut paused) = (0, 0);
        let answered = answer(
            until,
            || {
                let code = codes.get(asked);
                asked += 1;
                code.map_or(Ok(()), |code| Err(KafkaError::GroupListFetch(*code)))
            },
            || paused += 1,
        );
        assert_eq!(paused + 1, asked, "a pause between two questions");
        (answered, asked)
    }

    #[test]
    fn what_passes_is_asked_again_while_there_is_time() {
        let later = Instant::now() + Duration::from_secs(60);
        let passing = [Code::BrokerTransportFailure, Code::NotCoordinator];
        assert_eq!(ask(later, &passing), (Ok(()), 3));
        assert_eq!(ask(Instant::now(), &passing).1, 1, "no time is left");
        assert_eq!(ask(later, &[Code::GroupAuthorizationFailed]).1, 1, "it does not pass");
    }
}
