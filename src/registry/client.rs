//! Questions to a registry, and what its answers mean.

use super::{Credentials, RegistrySettings};
use crate::error::{Error, Result};
use crate::resilience::{Class, DelaySettings, Guard, Policy, Standing, SystemClock};
use reqwest::blocking::{Client as Http, ClientBuilder, RequestBuilder};
use reqwest::{Certificate, StatusCode};
use schema_registry_converter::blocking::schema_registry::{
    SrSettings, get_schema_by_id, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, SchemaType, SrCall, SuppliedSchema,
};
use serde::Deserialize;
use serde_json::json;
use std::error::Error as _;
use std::sync::Once;
use std::time::Duration;

/// What protects a registry from us, and us from it.
const DEADLINE: Duration = Duration::from_secs(4);

/// Codes of "there is none": subject, version, schema, and a subject's own configuration.
const NOT_FOUND: [u32; 4] = [40_401, 40_402, 40_403, 40_408];

/// Asks one registry.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    settings: SrSettings,
    http: Http,
    credentials: Credentials,
    guard: Guard,
}

/// Why a registry does not take what it was given.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it says.
    pub(super) why: String,
    /// Whether it contradicts what stands there already; otherwise something is wrong with what was
    /// given, or nothing is taken at present.
    pub(super) is_conflict: bool,
}

/// Why there is no answer that could be used.
#[derive(Debug)]
enum Failure {
    /// It says that there is none.
    NotFound,
    /// It refuses what it was given.
    Refused(Refusal),
    /// It does not let us in.
    Denied(String),
    /// It is away, or something answers in its place.
    Away(String),
}

type Answer<T> = std::result::Result<T, Failure>;

#[derive(Deserialize)]
struct Level {
    #[serde(alias = "compatibilityLevel")]
    compatibility: Option<String>,
}

impl Client {
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self> {
        let RegistrySettings { url, credentials, .. } = settings;
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(settings.timeout);
        match credentials {
            Credentials::None => {}
            Credentials::Bearer(token) => drop(builder.set_token_authorization(token)),
            Credentials::Basic { user, password } => {
                builder.set_basic_authorization(user, Some(password));
            }
        }
        let wrong = |error: &dyn std::fmt::Display| {
            Error::invalid(format!("no client for the registry can be made: {error}"))
        };
        let made = builder.build_with(http(settings)?).map_err(|error| wrong(&error))?;
        let plain = http(settings)?.timeout(settings.timeout);
        let policy = Policy {
            deadline: DEADLINE,
            is_idempotent: true,
            delays: DelaySettings { longest: Duration::from_millis(500), ..Default::default() },
            ..Policy::default()
        };
        Ok(Self {
            url: url.clone(),
            settings: made,
            http: plain.build().map_err(|error| wrong(&error))?,
            credentials: credentials.clone(),
            guard: Guard::new("registry", policy, SystemClock::default(), seed()),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn standing(&self) -> Standing {
        self.guard.standing()
    }

    /// The text of a schema by its id; none when there is none. Deleted ones are found, too.
    pub(super) fn text(&self, id: u32) -> Result<Option<String>> {
        self.ask(|| {
            let found = get_schema_by_id(id, &self.settings).map_err(|error| meaning(&error))?;
            match found.schema_type {
                SchemaType::Avro => Ok(found.schema),
                // An answer, if not one that anybody can read commands by.
                other => Ok(format!("{other:?} and not Avro: {}", found.schema)),
            }
        })
    }

    /// The id of `text` under `subject`; none when it is not registered there.
    pub(super) fn id(&self, subject: &str, text: &str) -> Result<Option<u32>> {
        let body = json!({ "schema": text, "schemaType": "AVRO" }).to_string();
        self.ask(|| {
            let found = perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body));
            let found = found.map_err(|error| meaning(&error))?;
            found.id.ok_or_else(|| Failure::Away("its answer names no id".to_owned()))
        })
    }

    /// The latest version under `subject` and its text; none when there is none.
    pub(super) fn latest(&self, subject: &str) -> Result<Option<(u32, String)>> {
        self.ask(|| {
            let found = perform_sr_call(&self.settings, SrCall::GetLatest(subject));
            let found = found.map_err(|error| meaning(&error))?;
            let answer = found.version.zip(found.schema);
            answer.ok_or_else(|| Failure::Away("its answer names no version".to_owned()))
        })
    }

    /// Registers `text` under `subject` and returns its id, or why it is refused. Twice is as good
    /// as once.
    pub(super) fn register(
        &self,
        subject: &str,
        text: &str,
    ) -> Result<std::result::Result<u32, Refusal>> {
        let found = self.ask(|| {
            let schema = SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
            match post_schema(&self.settings, subject.to_owned(), schema) {
                Ok(found) => Ok(Ok(found.id)),
                Err(error) => match meaning(&error) {
                    Failure::Refused(refusal) => Ok(Err(refusal)),
                    failure => Err(failure),
                },
            }
        });
        found?.ok_or_else(|| self.strange("404 to a schema that was to be registered"))
    }

    /// What new schemas under `subject` are compared with.
    pub(super) fn compatibility(&self, subject: &str) -> Result<Option<String>> {
        let url = format!("{}/config/{subject}?defaultToGlobal=true", self.url);
        let level: Option<Level> = self.ask(|| self.send(self.http.get(&url)))?;
        Ok(level.and_then(|level| level.compatibility))
    }

    /// Says what new schemas under `subject` are to be compared with.
    pub(super) fn set_compatibility(&self, subject: &str, level: &str) -> Result<()> {
        let url = format!("{}/config/{subject}", self.url);
        let body = json!({ "compatibility": level }).to_string();
        let set = self.ask(|| {
            let request = self.http.put(&url).header("content-type", "application/json");
            self.send::<Level>(request.body(body.clone()))
        });
        set?.map(drop).ok_or_else(|| self.strange("404 to a subject's compatibility"))
    }

    fn strange(&self, what: &str) -> Error {
        Error::unavailable(format!("{} answers {what}: is it a schema registry?", self.url))
    }

    /// One question behind the guard. None is the registry's own "there is none".
    fn ask<T>(&self, question: impl Fn() -> Answer<T>) -> Result<Option<T>> {
        self.guard.call(Class::of, || match question() {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::NotFound) => Ok(None),
            Err(Failure::Refused(Refusal { why, .. })) => {
                Err(Error::invalid(format!("the registry refuses it: {why}")))
            }
            Err(Failure::Denied(why)) => Err(Error::invalid(format!(
                "the registry {} does not let us in ({why}): check the credentials",
                self.url
            ))),
            Err(Failure::Away(why)) => {
                Err(Error::unavailable(format!("the registry {}: {why}", self.url)))
            }
        })
    }

    /// A request that the crate has no call for.
    fn send<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Answer<T> {
        let request = match &self.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
        };
        let response = request.send().map_err(|error| Failure::Away(chain(&error)))?;
        let status = response.status();
        if status.is_success() {
            let garbage = |error| Failure::Away(format!("no registry's answer: {}", chain(&error)));
            return response.json().map_err(garbage);
        }
        Err(refusal(status, response.json().ok().as_ref()))
    }
}

/// What an error of the crate means.
fn meaning(error: &SRCError) -> Failure {
    let said = error.source().and_then(|source| source.downcast_ref::<RawError>());
    let status = error.error.split_once("failed with status ").map(|(_, status)| status);
    let status = status.and_then(|status| status.get(..3)?.parse().ok());
    match status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => refusal(status, said),
        None if error.error.starts_with("http call") => {
            Failure::Away(error.source().map_or_else(|| error.error.clone(), chain))
        }
        None => {
            let why = error.cause.as_deref().unwrap_or(&error.error);
            Failure::Away(format!("no registry's answer: {why}"))
        }
    }
}

/// What an answer other than success means. Only a registry knows the codes of "there is none": any
/// web server can say 404.
fn refusal(status: StatusCode, said: Option<&RawError>) -> Failure {
    let said = said.filter(|said| said.error_code != 0);
    let code = said.map_or(0, |said| said.error_code);
    let message = said.map_or_else(|| status.to_string(), ToString::to_string);
    match status {
        StatusCode::NOT_FOUND if NOT_FOUND.contains(&code) => Failure::NotFound,
        StatusCode::NOT_FOUND => {
            Failure::Away(format!("{message}, and not as a registry says it: check its address"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Denied(message),
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY if code != 0 => {
            Failure::Refused(Refusal { why: message, is_conflict: status == StatusCode::CONFLICT })
        }
        _ => Failure::Away(format!("answers {message}")),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn http(settings: &RegistrySettings) -> Result<ClientBuilder> {
    static PROVIDER: Once = Once::new();
    // Whoever was first may have installed another one, which will do as well.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = Http::builder().connect_timeout(settings.timeout);
    let Some(file) = &settings.ca_file else { return Ok(builder) };
    let shown = file.display();
    let unreadable = || Error::invalid(format!("{shown} cannot be read as certificates in PEM"));
    let pem = std::fs::read(file).map_err(|error| unreadable().caused_by(error))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|error| unreadable().caused_by(error))?;
    if certificates.is_empty() {
        return Err(Error::invalid(format!("{shown} holds no certificate in PEM")));
    }
    Ok(builder.tls_certs_merge(certificates))
}

/// Draws the pauses of this process.
fn seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id())
}
