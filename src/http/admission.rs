//! What every request passes before its handler: host, token, rate, time; and what is counted.

use super::app::App;
use super::caller::Caller;
use super::problem::Problem;
use super::server::Peer;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

/// Paths that answer whoever reaches them: probes have no tokens, nor has a browser that loads the
/// page and what belongs to it. What the page shows it asks for with a token.
const OPEN_PATHS: &[&str] = &["/healthz", "/readyz", "/", "/{asset}", "/openapi.json"];
/// The one answer that has no end.
pub(super) const STREAM_PATH: &str = "/v1/decisions/stream";

/// Lets a request through, or says why not.
pub(super) async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.unwrap_or_else(|| "other".to_owned());
    let in_flight = app.figures().enter();
    let response = match examine(&app, &path, &request) {
        Err(problem) => problem.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let limit = Duration::from_millis(app.http().request_timeout_ms);
            if path == STREAM_PATH {
                answered(request, next).await
            } else {
                match tokio::time::timeout(limit, answered(request, next)).await {
                    Ok(response) => response,
                    Err(_) => Problem::timeout(format!(
                        "it was not answered within {} ms; a command that was sent may have been \
                         accepted: send it again with the same id",
                        limit.as_millis()
                    ))
                    .into_response(),
                }
            }
        }
    };
    drop(in_flight);
    app.figures().note(&path, response.status(), started.elapsed());
    secured(response)
}

/// The handler's answer, also when it breaks an invariant: whoever asked is told, and the
/// connection goes on.
async fn answered(request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        Problem::internal("answering broke an invariant: report it, with the request")
            .into_response()
    })
}

fn examine(app: &App, path: &str, request: &Request) -> Result<Caller, Problem> {
    let headers = request.headers();
    let host = headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    if let Some(host) = host.filter(|host| !app.is_own_host(host)) {
        return Err(Problem::misdirected(format!(
            "'{host}' is not a name of this service: add it to http.allowed_hosts"
        )));
    }
    let peer = request.extensions().get::<Peer>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip());
    let is_open = OPEN_PATHS.contains(&path);
    let tokens = app.tokens().filter(|_| !is_open);
    let caller = match Caller::of(tokens, headers, address) {
        Ok(caller) => caller,
        Err(problem) => {
            // Guessing tokens is limited by address.
            app.check_rate(&Caller { name: address.to_string(), identity: None }, 1)?;
            return Err(problem);
        }
    };
    app.check_rate(&caller, 1)?;
    Ok(caller)
}

/// What browsers are told of every answer.
fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
