//! Our signing keys and the root secrets: to be looked at, and to be replaced.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use warp::{Filter, Rejection};

use super::{Process, TEXT, answer, get, json};
use crate::{
    audit,
    keys::{KeyError, KeyOverview},
};

/// What `GET /keys` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// The signing keys, the newest first.
    pub signing: Vec<KeyOverview>,
    /// The root secrets, as configured: the first one seals.
    pub root_secrets: Vec<RootSecret>,
    /// Grants that a root secret sealed which is not accepted any more: nobody can use them. Counted while there
    /// is more than one root secret.
    #[serde(default)]
    pub lost_grants: usize,
}

/// A root secret without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSecret {
    /// Names it: the first bytes of something derived from it, in the clear in every sealed value.
    pub id: String,
    /// Grants that it sealed; not counted while it is the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<usize>,
    /// Signing keys that it sealed; the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_keys: Option<usize>,
}

/// What `POST /keys/rotate` may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// The new key signs at once, not in a while.
    #[serde(default)]
    pub now: bool,
}

/// What `POST /keys/revoke` has to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// [`KeyOverview::kid`].
    pub kid: String,
}

/// `GET /keys`
pub(super) fn list(
    process: &Arc<dyn Process>,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone + use<> {
    let process = Arc::clone(process);
    get("keys").then(move || {
        let process = Arc::clone(&process);
        async move {
            match process.keys().await {
                Ok(list) => json(StatusCode::OK, &list),
                Err(error) => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
            }
        }
    })
}

/// `POST /keys/rotate`
pub(super) fn rotate(
    process: &Arc<dyn Process>,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone + use<> {
    let process = Arc::clone(process);
    warp::path!("keys" / "rotate").and(warp::post()).and(warp::query::<Rotate>()).then(move |rotate: Rotate| {
        let process = Arc::clone(&process);
        async move { told("rotate_keys", process.rotate_keys(rotate.now).await) }
    })
}

/// `POST /keys/revoke`
pub(super) fn revoke(
    process: &Arc<dyn Process>,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone + use<> {
    let process = Arc::clone(process);
    warp::path!("keys" / "revoke").and(warp::post()).and(warp::query::<RevokeKey>()).then(move |revoke: RevokeKey| {
        let process = Arc::clone(&process);
        async move {
            match process.revoke_key(&revoke.kid).await {
                Ok(false) => {
                    answer(StatusCode::NOT_FOUND, TEXT, "there is no key of this name; see `vestibule keys list`\n")
                }
                revoked => told("revoke_key", revoked.map(|_| process.signing_keys())),
            }
        }
    })
}

fn told(what: &'static str, done: Result<Vec<KeyOverview>, KeyError>) -> Response<Bytes> {
    let reason = done.as_ref().err().map(ToString::to_string);
    audit::Entry { by: Some(what), reason: reason.as_deref(), ..audit::Entry::default() }
        .tell(audit::Event::AdminAction, if done.is_ok() { "ok" } else { "refused" });
    match done {
        Ok(signing) => json(StatusCode::OK, &signing),
        Err(error @ (KeyError::Brought | KeyError::Signs | KeyError::Configured)) => {
            answer(StatusCode::CONFLICT, TEXT, format!("{error}\n"))
        }
        Err(error) => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
    }
}
