//! What the client library says, as what we do about it.

use crate::error::{Error, Result};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// How a transaction ended that did not succeed, in the order in which an error is asked: it may
/// carry more than one flag.
#[derive(Debug)]
pub(super) enum TransactionFault {
    /// Somebody else has taken the partition over: nothing of ours can be written any more.
    Fenced(String),
    /// The producer is of no further use, and nobody knows what became of the transaction.
    Fatal(String),
    /// Nothing of the transaction can be read by anybody once it is aborted.
    Abortable(String),
    /// The same call again.
    Retriable(String),
}

impl TransactionFault {
    /// Sorts an error of a transaction's call. What carries no flag counts as fatal, as the library
    /// itself advises.
    pub(super) fn of(error: &KafkaError) -> Self {
        let why = error.to_string();
        if is_fenced(error) {
            return Self::Fenced(why);
        }
        match error {
            KafkaError::Transaction(inner) if inner.is_fatal() => Self::Fatal(why),
            KafkaError::Transaction(inner) if inner.txn_requires_abort() => Self::Abortable(why),
            KafkaError::Transaction(inner) if inner.is_retriable() => Self::Retriable(why),
            // A record that was not even queued leaves the transaction open, and without it.
            KafkaError::MessageProduction(code) if !is_fatal(*code) => Self::Abortable(why),
            _ => Self::Fatal(why),
        }
    }
}

fn is_fatal(code: Code) -> bool {
    matches!(code, Code::Fatal)
}

fn is_fenced(error: &KafkaError) -> bool {
    let fencing = [Code::Fenced, Code::ProducerFenced, Code::InvalidProducerEpoch];
    error.rdkafka_error_code().is_some_and(|code| fencing.contains(&code))
}

/// Whether brokers say by `code` that they know no such topic or partition. Those that come back
/// may not know one yet.
pub(super) fn is_unknown(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}

/// Errors that the library mends itself; it reports them and goes on.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    let Some(code) = error.rdkafka_error_code() else { return false };
    let is_away = matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
    );
    is_away || is_unknown(code)
}

/// An error of a call that reads or asks, with what to do.
pub(super) fn sorted(error: KafkaError, what: &str) -> Error {
    let code = error.rdkafka_error_code();
    let sentence = match code {
        // What is known of topics is empty for a while when brokers come back: whoever stopped for
        // it would never decide again. Who starts asks for the topics first, and is told.
        Some(code) if is_unknown(code) => {
            format!(
                "{what}: it has no leader, or is not known yet; it is tried again (`conclave \
                 topics check` says whether the topics are there)"
            )
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::Authentication
            | Code::SaslAuthenticationFailed,
        ) => {
            return Error::invalid(format!(
                "{what}: the brokers refuse us: docs/security.md lists what each role needs"
            ))
            .caused_by(error);
        }
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
            return Error::corrupt(format!(
                "{what}: the topic does not hold that offset any more: its retention, or somebody, \
                 deleted records; see docs/runbooks/corrupt-log.md"
            ))
            .caused_by(error);
        }
        _ => format!("{what}: the brokers do not answer as they should; it is tried again"),
    };
    if matches!(error, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) {
        return Error::invalid(format!("{what}: a setting of [kafka] is refused")).caused_by(error);
    }
    Error::unavailable(sentence).caused_by(error)
}

/// The same for a result.
pub(super) fn asked<T>(result: std::result::Result<T, KafkaError>, what: &str) -> Result<T> {
    result.map_err(|error| sorted(error, what))
}
