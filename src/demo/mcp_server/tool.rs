//! The tools: `whoami`, `echo`, `add` answer at once, `countdown` streams.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use serde_json::{Map, Value, json};

use super::{
    message::{Failure, INVALID_PARAMS, Request, notification},
    session::Session,
    stream::{Events, Gone},
};
use crate::config::plan::IdentityHeaders;

/// The longest text that `echo` gives back, in characters.
const MAX_ECHO: usize = 100_000;

/// A checked call of `countdown`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Countdown {
    from: u64,
    interval: Duration,
    progress_token: Option<Value>,
}

/// `tools/list`
pub(super) fn list() -> Value {
    let nothing = json!({ "type": "object", "additionalProperties": false });
    let read_only = json!({ "readOnlyHint": true, "openWorldHint": false });
    json!({ "tools": [
        {
            "name": "whoami",
            "title": "Who am I?",
            "description": "Shows who is calling, as the gateway told this server.",
            "inputSchema": nothing,
            "annotations": read_only,
        },
        {
            "name": "echo",
            "title": "Echo",
            "description": "Gives a text back.",
            "inputSchema": {
                "type": "object",
                "properties": { "text": { "type": "string", "maxLength": MAX_ECHO } },
                "required": ["text"],
            },
            "annotations": read_only,
        },
        {
            "name": "add",
            "title": "Add",
            "description": "Adds two numbers.",
            "inputSchema": {
                "type": "object",
                "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
                "required": ["a", "b"],
            },
            "outputSchema": {
                "type": "object",
                "properties": { "sum": { "type": "number" } },
                "required": ["sum"],
            },
            "annotations": read_only,
        },
        {
            "name": "countdown",
            "title": "Countdown",
            "description": "Counts down to zero and reports every step while it runs.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "from": { "type": "integer", "minimum": 1, "maximum": 60, "default": 5 },
                    "interval_ms": { "type": "integer", "minimum": 10, "maximum": 5000, "default": 1000 },
                },
            },
            "annotations": read_only,
        },
    ] })
}

/// `tools/call` of everything but `countdown`.
///
/// # Errors
/// `-32602` for a tool that does not exist. Wrong arguments are a result with `isError`, which a
/// model can read and mend.
pub(super) fn call(request: &Request, headers: &HeaderMap, identity: &IdentityHeaders) -> Result<Value, Failure> {
    let none = Map::new();
    let arguments = request.params.get("arguments").and_then(Value::as_object).unwrap_or(&none);
    match name(request) {
        Some("whoami") => Ok(structured(&who(headers, identity))),
        Some("echo") => Ok(match arguments.get("text").and_then(Value::as_str) {
            Some(text) if text.chars().count() <= MAX_ECHO => text_result(text),
            _ => wrong("`text` must be a text of at most 100,000 characters"),
        }),
        Some("add") => Ok(match (number(arguments, "a"), number(arguments, "b")) {
            (Some(a), Some(b)) => structured(&json!({ "sum": a + b })),
            _ => wrong("`a` and `b` must be numbers"),
        }),
        _ => Err(Failure::new(INVALID_PARAMS, "there is no such tool; tools/list names them")),
    }
}

/// The tool that a `tools/call` names.
pub(super) fn name(request: &Request) -> Option<&str> {
    request.params.get("name").and_then(Value::as_str)
}

// === impl Countdown ===

impl Countdown {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The result to answer with if they are wrong.
    pub(super) fn read(request: &Request) -> Result<Self, Value> {
        let arguments = request.params.get("arguments").and_then(Value::as_object);
        let get = |name, default| match arguments.and_then(|arguments| arguments.get(name)) {
            None => Some(default),
            Some(value) => value.as_u64(),
        };
        let from = get("from", 5).filter(|from| (1..=60).contains(from));
        let interval = get("interval_ms", 1000).filter(|interval| (10..=5000).contains(interval));
        let (Some(from), Some(interval)) = (from, interval) else {
            return Err(wrong("`from` must be 1 to 60, `interval_ms` 10 to 5000"));
        };
        let meta = request.params.get("_meta").and_then(Value::as_object);
        let progress_token = meta.and_then(|meta| meta.get("progressToken")).cloned();
        Ok(Self { from, interval: Duration::from_millis(interval), progress_token })
    }

    /// Counts; one event a step, the first at once.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub(super) async fn run(&self, session: &Session, events: &Events) -> Result<Value, Gone> {
        for done in 0..=self.from {
            if done > 0 {
                tokio::time::sleep(self.interval).await;
            }
            let left = self.from - done;
            let text = format!("{left} to go");
            if let Some(token) = &self.progress_token {
                let params = json!({ "progressToken": token, "progress": done, "total": self.from, "message": text });
                events.message(&notification("notifications/progress", &params)).await?;
            } else if !session.is_quiet() {
                let params = json!({ "level": "info", "logger": "countdown", "data": text });
                events.message(&notification("notifications/message", &params)).await?;
            }
        }
        Ok(text_result("Lift-off!"))
    }
}

/// Every identity header that arrived, by its meaning. Of what proves something only that it is
/// there, never the value.
fn who(headers: &HeaderMap, identity: &IdentityHeaders) -> Value {
    let get = |name: &Option<HeaderName>| {
        name.as_ref()
            .and_then(|name| headers.get(name))
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let scheme = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    json!({
        "subject": get(&identity.subject),
        "email": get(&identity.email),
        "scopes": get(&identity.scopes).map(|scopes| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>()),
        "client": get(&identity.client),
        "assertion": identity.assertion.as_ref().is_some_and(|name| headers.contains_key(name)),
        "authorization": scheme.and_then(|value| value.split(' ').next()),
    })
}

fn number(arguments: &Map<String, Value>, name: &str) -> Option<f64> {
    arguments.get(name).and_then(Value::as_f64)
}

fn text_result(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// For programs and, as text, for clients of the first revision.
fn structured(value: &Value) -> Value {
    let mut result = text_result(&format!("{value:#}"));
    if let Some(fields) = result.as_object_mut() {
        fields.insert("structuredContent".into(), value.clone());
    }
    result
}

fn wrong(text: &str) -> Value {
    let mut result = text_result(text);
    if let Some(fields) = result.as_object_mut() {
        fields.insert("isError".into(), Value::Bool(true));
    }
    result
}
