//! Reading what a request names and carries, with errors that say what is wrong.

use super::problem::Problem;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use conclave_core::limits::ID_BYTES_MAX;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

/// Parameters of a request's query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let Query(asked) = read.map_err(|error| {
            Problem::bad_request(format!("a parameter of the query: {}", error.body_text()))
        })?;
        Ok(Self(asked))
    }
}

/// Names in a request's path.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(named) = read.map_err(|error| {
            Problem::bad_request(format!("a name in the path: {}", error.body_text()))
        })?;
        Ok(Self(named))
    }
}

/// A name as it stands in a path.
///
/// # Errors
/// `not_found` when nothing can bear it.
pub(super) fn name(text: &str) -> Result<&str, Problem> {
    if text.is_empty() || text.len() > ID_BYTES_MAX {
        return Err(Problem::not_found(format!("names have 1 to {ID_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// A body of at most `bytes_max`.
///
/// # Errors
/// `too_large`, or `bad_request` when the peer breaks off.
pub(super) async fn body(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::too_large(format!(
            "a body has at most {bytes_max} bytes here (http.body_bytes_max): send fewer commands \
             at once"
        ))
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    match axum::body::to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                if error.is::<LengthLimitError>() {
                    return Err(too_large());
                }
                cause = error.source();
            }
            Err(Problem::bad_request("the body broke off before its end"))
        }
    }
}

/// A header's text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}
