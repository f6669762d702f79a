//! JSON-RPC 2.0 messages, as far as MCP uses them.

use serde_json::{Map, Value, json};

/// Not JSON.
pub(super) const PARSE_ERROR: i64 = -32700;
/// JSON, but no message.
pub(super) const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// A method's parameters are wrong.
pub(super) const INVALID_PARAMS: i64 = -32602;

/// One message from a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification { method: String, params: Map<String, Value> },
    /// An answer to something the server asked; it asks nothing.
    Response,
}

/// Something to be answered under its `id`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// A text or a number.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
}

/// Not one JSON-RPC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMessage;

// === impl Message ===

impl Message {
    pub(super) fn read(value: Value) -> Result<Self, NoMessage> {
        let Value::Object(mut fields) = value else { return Err(NoMessage) };
        if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(NoMessage);
        }
        let id = fields.remove("id");
        let Some(method) = fields.remove("method") else {
            let answers = fields.contains_key("result") || fields.contains_key("error");
            return if id.is_some() && answers { Ok(Self::Response) } else { Err(NoMessage) };
        };
        let Value::String(method) = method else { return Err(NoMessage) };
        let params = match fields.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(NoMessage),
        };
        match id {
            None => Ok(Self::Notification { method, params }),
            Some(id @ (Value::String(_) | Value::Number(_))) => Ok(Self::Request(Request { id, method, params })),
            Some(_) => Err(NoMessage),
        }
    }
}

// === impl Failure ===

impl Failure {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// As an error response; `id` is null when the request could not be read.
    pub(super) fn into_response(self, id: &Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": self.code, "message": self.message } })
    }
}

/// The response to the request with this `id`.
pub(super) fn response(id: &Value, outcome: Result<Value, Failure>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(failure) => failure.into_response(id),
    }
}

/// A message that wants no answer.
pub(super) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}
