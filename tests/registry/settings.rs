//! Addresses and secrets: what is accepted, and that nothing shows them.

use conclave::registry::{Credentials, Registry, RegistrySettings};
use conclave::wire::SchemaAnswer;
use std::collections::BTreeMap;

#[test]
fn an_address_without_secrets_is_wanted() {
    for (url, is_ok) in [
        ("http://localhost:8081", true),
        ("https://registry.example/base/", true),
        ("localhost:8081", false),
        ("ftp://localhost", false),
        ("https://", false),
        ("https://key:secret@registry.example", false),
    ] {
        let settings = RegistrySettings::new(url);
        assert_eq!(settings.is_ok(), is_ok, "{url}");
        if let Err(error) = settings {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

/// What files and the environment make together.
#[track_caller]
fn check(user: Option<&str>, file: Option<&str>, variables: &[(&str, &str)], wanted: Option<&str>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let gathered = Credentials::gather(user, file.map(|_| path.as_path()), None, |name| {
        variables.get(name).map(|value| (*value).to_owned())
    });
    match (&gathered, wanted) {
        (Ok(Credentials::None), Some("none")) => {}
        (Ok(Credentials::Basic { user, password }), Some(wanted)) => {
            assert_eq!(format!("{user}:{password}"), wanted);
        }
        (Ok(Credentials::Bearer(token)), Some(wanted)) => assert_eq!(token, wanted),
        (Err(_), None) => {}
        _ => panic!("{gathered:?}, not {wanted:?}"),
    }
    if let Ok(gathered) = gathered {
        assert!(!format!("{gathered:?}").contains("hush"), "{gathered:?}");
    }
}

#[test]
fn secrets_come_from_files_and_the_environment_and_are_never_shown() {
    const USER: (&str, &str) = ("CONCLAVE_REGISTRY_USER", "key");
    const PASSWORD: (&str, &str) = ("CONCLAVE_REGISTRY_PASSWORD", "hush");
    const TOKEN: (&str, &str) = ("CONCLAVE_REGISTRY_TOKEN", "hush");
    check(None, None, &[], Some("none"));
    check(None, None, &[USER, PASSWORD], Some("key:hush"));
    check(Some("other"), None, &[USER, PASSWORD], Some("other:hush"));
    check(Some("other"), Some("hush from a file\n"), &[PASSWORD], Some("other:hush from a file"));
    check(None, None, &[TOKEN], Some("hush"));
    check(None, None, &[USER], None);
    check(None, None, &[PASSWORD], None);
    check(None, None, &[USER, PASSWORD, TOKEN], None);
    check(Some("key"), Some("\n"), &[], None);
}

#[test]
fn https_is_spoken_and_a_registry_without_it_is_away() {
    let stand_in = crate::registry_common::StandIn::start(1);
    let url = stand_in.url().replace("http://", "https://");
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::new(&RegistrySettings::new(&url).unwrap(), directory.path()).unwrap();
    let answer = registry.source().schema(1);
    assert!(matches!(answer, SchemaAnswer::Unavailable(_)), "{answer:?}");
}

#[test]
fn certificates_that_are_none_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let mut settings = RegistrySettings::new("https://localhost").unwrap();
    for ca_file in [file, directory.path().join("missing.pem")] {
        settings.ca_file = Some(ca_file);
        let error = Registry::new(&settings, directory.path()).unwrap_err();
        assert!(error.message.contains(".pem"), "{error}");
    }
}
