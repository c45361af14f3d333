//! The routes, each a line or two over the store.

use super::faults::{Fault, inject};
use super::refusal::{Refusal, answer};
use super::store::Store;
use super::{Shared, store};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Parameters = Query<BTreeMap<String, String>>;

pub(super) fn router(shared: Shared) -> Router {
    let registry = Router::new()
        .route("/", get(async || answer(&json!({}))))
        .route("/mode", get(async || answer(&json!({ "mode": "READWRITE" }))))
        .route("/schemas/types", get(async || answer(&json!(["AVRO"]))))
        .route("/schemas/ids/{id}", get(schema_of_id))
        .route("/schemas/ids/{id}/schema", get(text_of_id))
        .route("/schemas/ids/{id}/versions", get(versions_of_id))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(find).delete(delete))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/subjects/{subject}/versions/{version}/schema", get(text_of_version))
        .route("/config", get(level).put(set_level))
        .route("/config/{subject}", get(level_of).put(set_level_of).delete(forget_level))
        .route("/compatibility/subjects/{subject}/versions", post(compatible))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(compatible_with))
        .fallback(async || Refusal::new(404, "HTTP 404 Not Found"))
        .layer(from_fn_with_state(shared.clone(), inject));
    let own = Router::new()
        .route("/stand-in/fault", put(set_fault))
        .route("/stand-in/requests", get(requests));
    own.fallback_service(registry.with_state(shared.clone())).with_state(shared)
}

/// Answers with what `ask` finds.
fn told(shared: &Shared, ask: impl FnOnce(&mut Store) -> Result<Value, Refusal>) -> Response {
    match ask(&mut shared.store.lock().unwrap()) {
        Ok(body) => answer(&body),
        Err(refusal) => refusal.into_response(),
    }
}

/// The text in a body, if it is Avro and refers to nothing else.
fn text(body: &Bytes) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sent {
        schema: String,
        schema_type: Option<String>,
        references: Option<Vec<Value>>,
    }
    let sent: Sent = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(422, format!("Unrecognized request: {error}")))?;
    let is_avro = sent.schema_type.is_none_or(|kind| kind == "AVRO");
    if !is_avro || sent.references.is_some_and(|references| !references.is_empty()) {
        return Err(Refusal::invalid_schema("this stand-in knows Avro without references"));
    }
    Ok(sent.schema)
}

fn described(subject: &str, version: &store::Version, text: &str) -> Value {
    json!({ "subject": subject, "version": version.version, "id": version.id, "schema": text })
}

async fn schema_of_id(State(shared): State<Shared>, Path(id): Path<u32>) -> Response {
    told(&shared, |store| Ok(json!({ "schema": store.text(id)? })))
}

async fn text_of_id(State(shared): State<Shared>, Path(id): Path<u32>) -> Response {
    raw(shared.store.lock().unwrap().text(id))
}

fn raw(text: Result<&str, Refusal>) -> Response {
    text.map_or_else(IntoResponse::into_response, |text| text.to_owned().into_response())
}

async fn versions_of_id(State(shared): State<Shared>, Path(id): Path<u32>) -> Response {
    told(&shared, |store| {
        let uses = store.uses(id)?.into_iter();
        Ok(uses
            .map(|(subject, version)| json!({ "subject": subject, "version": version }))
            .collect())
    })
}

async fn subjects(State(shared): State<Shared>) -> Response {
    told(&shared, |store| Ok(json!(store.subjects())))
}

async fn versions(State(shared): State<Shared>, Path(subject): Path<String>) -> Response {
    told(&shared, |store| {
        Ok(store.live(&subject)?.iter().map(|version| json!(version.version)).collect())
    })
}

async fn version(State(shared): State<Shared>, Path(at): Path<(String, String)>) -> Response {
    told(&shared, |store| {
        let (version, text) = store.version(&at.0, &at.1)?;
        Ok(described(&at.0, &version, text))
    })
}

async fn text_of_version(
    State(shared): State<Shared>,
    Path(at): Path<(String, String)>,
) -> Response {
    raw(shared.store.lock().unwrap().version(&at.0, &at.1).map(|(_, text)| text))
}

async fn register(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Response {
    told(&shared, |store| {
        let text = text(&body)?;
        let version = store.register(&subject, &text)?;
        Ok(described(&subject, &version, &text))
    })
}

async fn find(State(shared): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Response {
    told(&shared, |store| {
        let text = text(&body)?;
        Ok(described(&subject, &store.find(&subject, &text)?, &text))
    })
}

async fn delete(State(shared): State<Shared>, Path(subject): Path<String>) -> Response {
    told(&shared, |store| Ok(json!(store.delete(&subject)?)))
}

async fn level(State(shared): State<Shared>) -> Response {
    told(&shared, |store| Ok(json!({ "compatibilityLevel": store.level })))
}

async fn level_of(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    Query(parameters): Parameters,
) -> Response {
    let or_global = parameters.get("defaultToGlobal").is_some_and(|value| value == "true");
    told(&shared, |store| {
        let level = if or_global { store.level_of(&subject) } else { store.own_level(&subject)? };
        Ok(json!({ "compatibilityLevel": level }))
    })
}

fn set(shared: &Shared, subject: Option<&str>, body: &Bytes) -> Response {
    told(shared, |store| {
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let level = sent["compatibility"].as_str().unwrap_or_default();
        store.set_level(subject, level)?;
        Ok(json!({ "compatibility": level }))
    })
}

async fn set_level(State(shared): State<Shared>, body: Bytes) -> Response {
    set(&shared, None, &body)
}

async fn set_level_of(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Response {
    set(&shared, Some(&subject), &body)
}

async fn forget_level(State(shared): State<Shared>, Path(subject): Path<String>) -> Response {
    told(&shared, |store| Ok(json!({ "compatibility": store.forget_level(&subject)? })))
}

async fn compatible(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Response {
    told(&shared, |store| {
        let is_compatible = store.is_compatible(&subject, &text(&body)?, None)?;
        Ok(json!({ "is_compatible": is_compatible }))
    })
}

async fn compatible_with(
    State(shared): State<Shared>,
    Path(at): Path<(String, String)>,
    body: Bytes,
) -> Response {
    told(&shared, |store| {
        let is_compatible = store.is_compatible(&at.0, &text(&body)?, Some(&at.1))?;
        Ok(json!({ "is_compatible": is_compatible }))
    })
}

/// Takes `"none"`, `"garbage"`, `{"slow_ms": 3000}`, `{"status": 500}` and the other faults.
async fn set_fault(State(shared): State<Shared>, body: Bytes) -> Response {
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) => {
            shared.faults.lock().unwrap().fault = fault.clone();
            answer(&json!(fault))
        }
        Err(error) => Refusal::new(422, error.to_string()).into_response(),
    }
}

async fn requests(State(shared): State<Shared>) -> Response {
    answer(&json!({ "requests": shared.faults.lock().unwrap().requests }))
}
