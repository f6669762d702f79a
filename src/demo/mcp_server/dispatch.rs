//! Which message gets which answer, and whether it comes as JSON or as an event stream.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::{
    Server,
    message::{self, Failure, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Message, Request},
    session::Session,
    stream::{Events, Gone},
    tool::{self, Countdown},
    transport::{json_response, status},
};
use crate::body::Body;

/// All messages of one POST.
pub(super) fn answer(
    server: &Arc<Server>,
    session: &Arc<Session>,
    headers: &HeaderMap,
    messages: Vec<Message>,
    batch: bool,
) -> Response<Body> {
    let mut requests = Vec::new();
    for message in messages {
        match message {
            Message::Request(request) => requests.push(request),
            Message::Notification { method, params } => {
                if let ("notifications/cancelled", Some(id)) = (method.as_str(), params.get("requestId")) {
                    session.cancel(id);
                }
            }
            Message::Response => {}
        }
    }
    if requests.is_empty() {
        return status(StatusCode::ACCEPTED);
    }
    if requests.iter().any(streams) {
        return stream_answers(server, session, headers.clone(), requests);
    }
    let answer = |request: &Request| message::response(&request.id, at_once(server, session, headers, request));
    let answers: Vec<Value> = requests.iter().map(answer).collect();
    let value = if batch { Value::Array(answers) } else { answers.into_iter().next().unwrap_or_default() };
    json_response(StatusCode::OK, &value)
}

fn streams(request: &Request) -> bool {
    request.method == "tools/call" && tool::name(request) == Some("countdown")
}

fn at_once(server: &Server, session: &Session, headers: &HeaderMap, request: &Request) -> Result<Value, Failure> {
    match request.method.as_str() {
        "ping" => Ok(json!({})),
        "tools/list" => Ok(tool::list()),
        "tools/call" => tool::call(request, headers, &server.identity_headers),
        "logging/setLevel" => {
            let level = request.params.get("level").and_then(Value::as_str);
            session.set_log_level(level.ok_or_else(|| Failure::new(INVALID_PARAMS, "`level` is missing"))?);
            Ok(json!({}))
        }
        "initialize" => Err(Failure::new(INVALID_REQUEST, "initialize is never part of a batch")),
        _ => Err(Failure::new(METHOD_NOT_FOUND, "there is no such method")),
    }
}

/// One event stream for all requests of a POST, one after the other.
///
/// The stream ends with its reader: a disconnect cancels nothing in these revisions, but without
/// resumption there is nobody left to tell.
fn stream_answers(
    server: &Arc<Server>,
    session: &Arc<Session>,
    headers: HeaderMap,
    requests: Vec<Request>,
) -> Response<Body> {
    let (events, response) = Events::open(&server.open_streams);
    let (server, session) = (Arc::clone(server), Arc::clone(session));
    tokio::spawn(async move {
        for request in requests {
            let outcome = tokio::select! {
                outcome = answer_in_stream(&server, &session, &headers, &request, &events) => outcome,
                () = events.gone() => Err(Gone),
            };
            if outcome.is_err() {
                return;
            }
        }
    });
    response
}

async fn answer_in_stream(
    server: &Server,
    session: &Arc<Session>,
    headers: &HeaderMap,
    request: &Request,
    events: &Events,
) -> Result<(), Gone> {
    if !streams(request) {
        let answer = message::response(&request.id, at_once(server, session, headers, request));
        return events.message(&answer).await;
    }
    let result = match Countdown::read(request) {
        Ok(countdown) => {
            let running = session.begin(&request.id);
            let counted = tokio::select! {
                counted = countdown.run(session, events) => Some(counted?),
                () = running.cancelled.cancelled() => None,
            };
            // A cancelled request gets no answer.
            let Some(result) = counted else { return Ok(()) };
            result
        }
        Err(wrong) => wrong,
    };
    events.message(&message::response(&request.id, Ok(result))).await
}
