//! Clients that prove who they are by a certificate: the brokers' listener asks every one of them,
//! and gives the rights of docs/security.md to the name in it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::access::{Guarded, make_certificate, make_certificates, read, send};
use conclave::error::ErrorKind;
use conclave::log::kafka::settings::KafkaSettings;
use conclave::log::kafka::topics;
use conclave_core::command::TimeSource;
use rdkafka::error::RDKafkaErrorCode;
use std::os::unix::fs::PermissionsExt as _;

const KEY_PASSWORD: &str = "a-key-of-its-own";

/// The settings of a role whose certificate the brokers' own CA signed.
fn role(guarded: &Guarded, role: &str) -> KafkaSettings {
    let name = format!("conclave-{role}");
    make_certificate(guarded.folder.path(), &name, "-nodes");
    let identity = format!("cert_file = '{name}.crt'\nkey_file = '{name}.key'");
    guarded.mutual(&format!("mutual-{role}"), &identity)
}

#[test]
fn a_certificate_gives_the_rights_of_the_name_in_it() {
    let name = "a_certificate_gives_the_rights_of_the_name_in_it";
    let Some(guarded) = Guarded::shared(name) else { return };
    let service = role(guarded, "service");
    topics::refuse_harm(&service, TimeSource::LogAppend).unwrap();
    assert_eq!(send(service.client("submit"), &service.topics.commands), Ok(()));
    let reader = role(guarded, "reader");
    assert_eq!(read(&reader, &reader.topics.commands), Ok(0));
    let refused = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(send(reader.client("submit"), &reader.topics.commands), refused);
}

#[test]
fn an_encrypted_key_is_opened_with_the_password_of_its_file() {
    let name = "an_encrypted_key_is_opened_with_the_password_of_its_file";
    let Some(guarded) = Guarded::shared(name) else { return };
    let folder = guarded.folder.path();
    make_certificate(folder, "locked", &format!("-passout pass:{KEY_PASSWORD}"));
    let secret = folder.join("locked.password");
    std::fs::write(&secret, KEY_PASSWORD).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let identity = "cert_file = 'locked.crt'\nkey_file = 'locked.key'\n";
    let opened = format!("{identity}key_password_file = 'locked.password'");
    let settings = guarded.mutual("unlocked", &opened);
    // It is let in as somebody without any right.
    let refused = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(send(settings.client("submit"), &settings.topics.commands), refused);
}

/// A client that proves nothing, or what nobody vouches for, is turned away with a sentence that
/// says what to do.
#[track_caller]
fn check_turned_away(settings: &KafkaSettings, wanted: &str) {
    let error = topics::check(settings, TimeSource::LogAppend).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains(wanted), "{error}");
}

#[test]
fn who_shows_no_certificate_that_is_believed_is_told_what_to_do() {
    let name = "who_shows_no_certificate_that_is_believed_is_told_what_to_do";
    let Some(guarded) = Guarded::shared(name) else { return };
    check_turned_away(&guarded.mutual("nobody", ""), "set kafka.security.cert_file and key_file");

    let other = tempfile::tempdir().unwrap();
    make_certificates(other.path());
    make_certificate(other.path(), "conclave-service", "-nodes");
    let of_other = |kind: &str| other.path().join(format!("conclave-service.{kind}"));
    let (cert, key) = (of_other("crt"), of_other("key"));
    let identity = format!("cert_file = '{}'\nkey_file = '{}'", cert.display(), key.display());
    check_turned_away(&guarded.mutual("elses", &identity), "signed by a CA of theirs");
}
