//! What goes wrong on demand, by a call or by `PUT /stand-in/fault`.

use super::Shared;
use super::refusal::Refusal;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens to every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// It is answered.
    #[default]
    None,
    /// It is answered this many milliseconds later.
    SlowMs(u64),
    /// It is answered with this status and the registry's own words: 500, 503, 429.
    Status(u16),
    /// It is answered with 404 as any web server says it.
    Stranger,
    /// It is answered with success and something that is no registry's.
    Garbage,
    /// Its connection is closed in the middle of the answer.
    Torn,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) fault: Fault,
    pub(super) authorization: Option<String>,
    pub(super) requests: u64,
}

/// Stands before all routes of the registry.
pub(super) async fn inject(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (fault, wanted) = {
        let mut faults = shared.faults.lock().unwrap();
        faults.requests += 1;
        (faults.fault.clone(), faults.authorization.clone())
    };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if wanted.is_some() && wanted.as_deref() != shown {
        return Refusal::new(401, "Unauthorized").into_response();
    }
    match fault {
        Fault::None => next.run(request).await,
        Fault::SlowMs(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            next.run(request).await
        }
        Fault::Status(status) => {
            let code = u32::from(status) * 100 + 1;
            Refusal::new(code, "Error in the backend data store").into_response()
        }
        Fault::Stranger => (StatusCode::NOT_FOUND, "<html>nginx</html>").into_response(),
        Fault::Garbage => "<html>please log in</html>".into_response(),
        Fault::Torn => {
            let torn = futures_util::stream::once(async { Err::<Bytes, _>("torn") });
            Body::from_stream(torn).into_response()
        }
    }
}
