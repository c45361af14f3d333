//! Errors as problem+json (RFC 9457): what is wrong, and what to do.

use crate::error::{Error, ErrorKind};
use crate::service::{Position, SubmitError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Seconds after which a full outbox may have room again.
const FULL_PAUSE_S: u64 = 5;

/// The content type of an error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error as the API sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is: a short name that stays the same.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status, once more.
    pub status: u16,
    /// What is wrong in this case, and what to do.
    pub detail: String,
    /// Line of the body, from 1, where it could not be read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Where the outbox keeps the command, if it does: it will be decided although nobody waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// Seconds after which to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $status:ident, $title:literal;)*) => {
        impl Problem {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(detail: impl Into<String>) -> Self {
                Self {
                    kind: format!("conclave:{}", $kind),
                    title: $title.to_owned(),
                    status: StatusCode::$status.as_u16(),
                    detail: detail.into(),
                    line: None,
                    column: None,
                    position: None,
                    retry_after_s: None,
                }
            })*
        }
    };
}

problems! {
    /// The request cannot be read.
    bad_request, "bad-request", BAD_REQUEST, "The request cannot be read";
    /// Nobody knows who asks.
    unauthorized, "unauthorized", UNAUTHORIZED, "A valid token is missing";
    /// It is known who asks, and that one may not.
    forbidden, "forbidden", FORBIDDEN, "This token may not do that";
    /// There is no such thing, or it is somebody else's.
    not_found, "not-found", NOT_FOUND, "There is no such thing";
    /// The path is known, the method is not.
    method_not_allowed, "method-not-allowed", METHOD_NOT_ALLOWED, "The path has no such method";
    /// It took longer than anything may.
    timeout, "timeout", REQUEST_TIMEOUT, "The request took too long";
    /// The body is too long.
    too_large, "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is of a kind that nobody reads here.
    unsupported_media, "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "This is not read here";
    /// `Host` names another machine.
    misdirected, "misdirected", MISDIRECTED_REQUEST, "The request is meant for another host";
    /// Too many requests of one client.
    too_many, "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    /// Something is away; try again.
    unavailable, "unavailable", SERVICE_UNAVAILABLE, "The service cannot do that now";
    /// The program contradicts itself, or its log was damaged.
    internal, "internal", INTERNAL_SERVER_ERROR, "Something broke";
}

impl Problem {
    /// Names a place in the body.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        // Nothing at all ends before its first column.
        let bounded = |number: usize| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
        (self.line, self.column) = (Some(bounded(line)), Some(bounded(column)));
        self
    }

    /// Names the place in the outbox.
    #[must_use]
    pub fn kept(mut self, position: Position) -> Self {
        self.position = Some(position.0);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let problem = Self::unavailable(error.to_string());
        match error {
            SubmitError::Full { .. } => Self::too_many(problem.detail).retry_after(FULL_PAUSE_S),
            SubmitError::TooLarge { .. } => Self::too_large(problem.detail),
            SubmitError::Stopped(_) => problem,
            SubmitError::Busy | SubmitError::Away(_) | SubmitError::Closing => {
                problem.retry_after(1)
            }
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Unavailable => Self::unavailable(error.to_string()),
            ErrorKind::Invalid => Self::not_found(error.to_string()),
            ErrorKind::Corrupt | ErrorKind::Bug => {
                tracing::error!(%error, "a question could not be answered");
                Self::internal(error.to_string())
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
