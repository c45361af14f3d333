//! Properties that pass through to librdkafka, and those that do not, each with its reason.

use crate::error::{Error, Result};
use rdkafka::ClientConfig;
use std::collections::BTreeMap;

const EXACTLY_ONCE: &str = "exactly-once rests on the value that the service sets";
const OWN_OFFSETS: &str = "decisions say what is decided, and the service resumes from them";
const MEMBERSHIP: &str = "the fence between two owners of a partition rests on it";
const SECRETS: &str = "secrets come from a file or the environment, so that nothing prints them";
const PROOF: &str = "a connection that anybody may answer protects nothing: name the broker's CA \
    in kafka.security.ca_file";

/// What the service sets itself: beginnings of property names, and why.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("client.id", "each client is named by what it does, for brokers' logs and quotas"),
    ("security.protocol", "set kafka.security.protocol"),
    ("ssl.ca.location", "set kafka.security.ca_file"),
    ("ssl.certificate.location", "set kafka.security.cert_file"),
    ("ssl.key.location", "set kafka.security.key_file"),
    ("ssl.key.password", "set kafka.security.key_password_file or key_password_env"),
    ("ssl.key.pem", SECRETS),
    ("ssl.keystore.password", SECRETS),
    ("ssl_", SECRETS),
    ("enable.ssl.certificate.verification", PROOF),
    ("sasl.mechanism", "set kafka.security.mechanism"),
    ("sasl.username", "set kafka.security.user"),
    ("sasl.password", "set kafka.security.password_file or password_env"),
    ("sasl.oauthbearer.", SECRETS),
    ("enable.sasl.oauthbearer.", SECRETS),
    ("group.id", "set kafka.group"),
    ("group.instance.id", "set kafka.instance_id"),
    ("session.timeout.ms", "set kafka.session_timeout_ms"),
    ("group.protocol", "set kafka.group_protocol"),
    ("group.remote.assignor", MEMBERSHIP),
    ("partition.assignment.strategy", MEMBERSHIP),
    ("heartbeat.interval.ms", MEMBERSHIP),
    ("max.poll.interval.ms", MEMBERSHIP),
    ("isolation.level", EXACTLY_ONCE),
    ("transactional.id", EXACTLY_ONCE),
    ("transaction.timeout.ms", "set kafka.transaction_timeout_ms"),
    ("enable.idempotence", EXACTLY_ONCE),
    ("enable.gapless.guarantee", EXACTLY_ONCE),
    ("acks", EXACTLY_ONCE),
    ("request.required.acks", EXACTLY_ONCE),
    ("request.timeout.ms", EXACTLY_ONCE),
    ("max.in.flight", EXACTLY_ONCE),
    ("retries", EXACTLY_ONCE),
    ("message.send.max.retries", EXACTLY_ONCE),
    ("message.timeout.ms", EXACTLY_ONCE),
    ("delivery.timeout.ms", EXACTLY_ONCE),
    ("delivery.report.only.error", EXACTLY_ONCE),
    ("partitioner", "a decision stands in the partition of its command, wherever that is"),
    ("enable.auto.commit", OWN_OFFSETS),
    ("auto.commit.", OWN_OFFSETS),
    ("enable.auto.offset.store", OWN_OFFSETS),
    ("offset.store.", OWN_OFFSETS),
    ("auto.offset.reset", OWN_OFFSETS),
    ("statistics.interval.ms", MEMBERSHIP),
    ("enable.partition.eof", OWN_OFFSETS),
    ("allow.auto.create.topics", "topics are made by `conclave topics apply`, with their settings"),
    ("test.mock.", "a made-up cluster keeps nothing"),
    ("plugin.library.paths", "code of others does not run beside decisions"),
];

/// That every property exists, takes its value, and is not the service's to set.
///
/// # Errors
/// `Invalid`, naming the first one that is not, and why.
pub(super) fn check(extra: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in extra {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| name.starts_with(refused)) {
            return Err(Error::invalid(format!("kafka.extra cannot set '{name}': {why}")));
        }
        let mut config = ClientConfig::new();
        config.set(name, value);
        if let Err(error) = config.create_native_config() {
            return Err(Error::invalid(format!(
                "kafka.extra sets '{name}', which librdkafka does not take: its CONFIGURATION.md \
                 lists names and values"
            ))
            .caused_by(error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(name: &str, value: &str, wanted: std::result::Result<(), &str>) {
        let said = check(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        match (said, wanted) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
            (said, _) => panic!("{name}: {said:?}"),
        }
    }

    #[test]
    fn properties_pass_through_unless_the_service_sets_them() {
        check_one("linger.ms", "5", Ok(()));
        check_one("socket.keepalive.enable", "true", Ok(()));
        check_one("ssl.endpoint.identification.algorithm", "none", Ok(()));
        check_one("isolation.level", "read_uncommitted", Err("exactly-once"));
        check_one("enable.auto.commit", "true", Err("decisions say what is decided"));
        check_one("transactional.id", "mine", Err("exactly-once"));
        check_one("acks", "1", Err("exactly-once"));
        check_one("max.in.flight.requests.per.connection", "9", Err("exactly-once"));
        check_one("sasl.mechanisms", "PLAIN", Err("kafka.security.mechanism"));
        check_one("sasl.password", "hunter2", Err("password_file"));
        check_one("enable.ssl.certificate.verification", "false", Err("ca_file"));
        check_one("linger.mss", "5", Err("does not take"));
        check_one("linger.ms", "soon", Err("does not take"));
    }
}
