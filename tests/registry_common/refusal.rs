//! Refusals, as Confluent's registry words and numbers them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal: a code whose first three digits are the status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u32,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn no_subject(subject: &str) -> Self {
        Self::new(40_401, format!("Subject '{subject}' not found."))
    }

    pub(super) fn no_version(version: &str) -> Self {
        Self::new(40_402, format!("Version {version} not found."))
    }

    pub(super) fn no_schema() -> Self {
        Self::new(40_403, "Schema not found")
    }

    pub(super) fn invalid_schema(why: impl std::fmt::Display) -> Self {
        Self::new(42_201, format!("Invalid schema: {why}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = if self.code < 1_000 { self.code } else { self.code / 100 };
        let status = StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap();
        let body = json!({ "error_code": self.code, "message": self.message });
        (status, answer(&body)).into_response()
    }
}

/// A body as the registry sends it.
pub(super) fn answer(body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")];
    (kind, body.to_string()).into_response()
}
