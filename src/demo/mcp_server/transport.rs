//! Streamable HTTP: which request is answered how (2025-11-25, "Transports").

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Response, StatusCode, header, request::Parts,
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use url::Url;

use super::{
    PATH, Server, dispatch,
    message::{self, Failure, INVALID_PARAMS, INVALID_REQUEST, Message, NoMessage, PARSE_ERROR, Request},
    session::{Revision, Session},
    stream::Events,
};
use crate::{
    body::{Body, empty, full},
    demo::loopback::text_response,
    oauth::redirect_uri::is_loopback,
};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Bytes of one POST.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Messages in one batch.
const MAX_BATCH: usize = 50;

/// A listening stream shows at least this often that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Why a request is refused before its messages are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("a POST accepts application/json and text/event-stream, a GET text/event-stream")]
    NotAcceptable,
    #[error("a POST sends application/json")]
    MediaType,
    #[error("a POST has at most 4 MiB")]
    TooLarge,
    #[error("this is not JSON")]
    NotJson,
    #[error("this is no JSON-RPC 2.0 message")]
    NoMessage,
    #[error("a batch has 1 to {MAX_BATCH} messages, and belongs to revision 2025-03-26")]
    Batch,
    #[error("this MCP-Protocol-Version is not supported")]
    Revision,
    #[error("Mcp-Session-Id is missing")]
    NoSession,
    #[error("there is no such session; initialize again")]
    UnknownSession,
}

// === impl Refusal ===

impl Refusal {
    fn into_response(self) -> Response<Body> {
        let status = match self {
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson | Self::NoMessage | Self::Batch | Self::Revision | Self::NoSession => StatusCode::BAD_REQUEST,
            Self::UnknownSession => StatusCode::NOT_FOUND,
        };
        let code = if self == Self::NotJson { PARSE_ERROR } else { INVALID_REQUEST };
        json_response(status, &Failure::new(code, self.to_string()).into_response(&Value::Null))
    }
}

impl From<NoMessage> for Refusal {
    fn from(_: NoMessage) -> Self {
        Self::NoMessage
    }
}

/// One HTTP request.
pub(super) async fn answer(server: &Arc<Server>, request: HttpRequest<Incoming>) -> Response<Body> {
    if request.uri().path() != PATH {
        return text_response(StatusCode::NOT_FOUND, "The MCP endpoint is /mcp.\n");
    }
    if !is_fine_origin(request.headers()) {
        return text_response(StatusCode::FORBIDDEN, "Web pages of other machines may not call this server.\n");
    }
    let (head, body) = request.into_parts();
    let answered = match head.method {
        Method::POST => post(server, &head, body).await,
        Method::GET => listen(server, &head),
        Method::DELETE => end_session(server, &head),
        _ => {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
            Ok(response)
        }
    };
    answered.unwrap_or_else(Refusal::into_response)
}

async fn post(server: &Arc<Server>, head: &Parts, body: Incoming) -> Result<Response<Body>, Refusal> {
    if !accepts(&head.headers, "application/json") || !accepts(&head.headers, "text/event-stream") {
        return Err(Refusal::NotAcceptable);
    }
    if essence(&head.headers, &header::CONTENT_TYPE) != "application/json" {
        return Err(Refusal::MediaType);
    }
    let bytes = Limited::new(body, MAX_BODY).collect().await.map_err(|_| Refusal::TooLarge)?.to_bytes();
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| Refusal::NotJson)?;
    if let Value::Array(values) = value {
        let session = session(server, head)?;
        if !session.revision.has_batches() || values.is_empty() || values.len() > MAX_BATCH {
            return Err(Refusal::Batch);
        }
        let messages = values.into_iter().map(Message::read).collect::<Result<Vec<_>, _>>()?;
        return Ok(dispatch::answer(server, &session, &head.headers, messages, true));
    }
    let message = Message::read(value)?;
    if let Message::Request(request) = &message
        && request.method == "initialize"
    {
        return Ok(initialize(server, head, request));
    }
    let session = session(server, head)?;
    Ok(dispatch::answer(server, &session, &head.headers, vec![message], false))
}

/// A new session, in the revision that was asked for, or else in the latest.
fn initialize(server: &Server, head: &Parts, request: &Request) -> Response<Body> {
    let Some(asked) = request.params.get("protocolVersion").and_then(Value::as_str) else {
        let failure = Failure::new(INVALID_PARAMS, "`protocolVersion` is missing");
        return json_response(StatusCode::OK, &failure.into_response(&request.id));
    };
    let revision = Revision::parse(asked).unwrap_or(Revision::LATEST);
    let (id, _) = server.sessions.start(revision, owner(server, &head.headers));
    let result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": { "tools": { "listChanged": false }, "logging": {} },
        "serverInfo": { "name": "vestibule-demo", "title": "Vestibule demo", "version": env!("CARGO_PKG_VERSION") },
        "instructions": "Demo tools: whoami, echo, add, countdown. Everything is harmless.",
    });
    let mut response = json_response(StatusCode::OK, &message::response(&request.id, Ok(result)));
    // base64url is visible ASCII.
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(SESSION_ID, value);
    }
    response
}

/// The session that a request names; every request after `initialize` must.
fn session(server: &Server, head: &Parts) -> Result<Arc<Session>, Refusal> {
    // Absent is fine: the session says it, so there is nothing to assume.
    if let Some(revision) = head.headers.get(PROTOCOL_VERSION) {
        revision.to_str().ok().and_then(Revision::parse).ok_or(Refusal::Revision)?;
    }
    let id = session_id(head).ok_or(Refusal::NoSession)?;
    let owner = owner(server, &head.headers);
    server.sessions.find(id, owner.as_deref()).ok_or(Refusal::UnknownSession)
}

fn session_id(head: &Parts) -> Option<&str> {
    head.headers.get(SESSION_ID).and_then(|value| value.to_str().ok())
}

/// GET: a stream for what the server has to say unasked, which is nothing.
fn listen(server: &Server, head: &Parts) -> Result<Response<Body>, Refusal> {
    if !accepts(&head.headers, "text/event-stream") {
        return Err(Refusal::NotAcceptable);
    }
    let ended = session(server, head)?.ended();
    let (events, response) = Events::open(&server.open_streams);
    tokio::spawn(async move {
        let mut pulse = tokio::time::interval(KEEP_ALIVE);
        loop {
            tokio::select! {
                _ = pulse.tick() => {
                    if events.comment("listening").await.is_err() {
                        return;
                    }
                }
                () = ended.cancelled() => return,
                () = events.gone() => return,
            }
        }
    });
    Ok(response)
}

fn end_session(server: &Server, head: &Parts) -> Result<Response<Body>, Refusal> {
    session(server, head)?;
    if let Some(id) = session_id(head) {
        server.sessions.end(id);
    }
    Ok(status(StatusCode::NO_CONTENT))
}

/// The caller, as far as the gateway tells.
fn owner(server: &Server, headers: &HeaderMap) -> Option<String> {
    let name = server.identity_headers.subject.as_ref()?;
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// No `Origin` (no browser), or a page of this machine (P-1).
fn is_fine_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    origin.to_str().ok().and_then(|text| Url::parse(text).ok()).is_some_and(|url| is_loopback(&url))
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let family = media_type.split('/').next().unwrap_or_default();
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).any(
        |item| {
            let item = item.split(';').next().unwrap_or_default().trim();
            item == "*/*" || item.eq_ignore_ascii_case(media_type) || item.strip_suffix("/*") == Some(family)
        },
    )
}

fn essence(headers: &HeaderMap, name: &HeaderName) -> String {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}
