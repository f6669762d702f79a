//! What persons gave clients: to be looked at, and to be ended.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use warp::{Filter, Rejection};

use super::{Process, TEXT, answer, get, json};
use crate::{audit, authority::GrantFilter, store::StoreError};

/// Of a list.
const MOST: usize = 1000;

const WHICH: &str =
    "say which grants: id, provider, subject, email, client or route; POST /grants/revoke-all ends everybody's\n";

/// What `POST /grants/revoke` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// How many grants ended.
    pub revoked: usize,
}

/// `GET /grants`
pub(super) fn list(
    process: &Arc<dyn Process>,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone + use<> {
    let process = Arc::clone(process);
    get("grants").and(warp::query::<GrantFilter>()).then(move |filter| {
        let process = Arc::clone(&process);
        async move {
            match process.grants(&filter, MOST).await {
                Ok(list) => json(StatusCode::OK, &list),
                Err(error) => unavailable(&error),
            }
        }
    })
}

/// `POST /grants/revoke`
pub(super) fn revoke(
    process: &Arc<dyn Process>,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone + use<> {
    let process = Arc::clone(process);
    warp::path!("grants" / "revoke").and(warp::post()).and(warp::query::<GrantFilter>()).then(
        move |filter: GrantFilter| {
            let process = Arc::clone(&process);
            async move {
                // A forgotten filter must not sign everybody out.
                if filter.is_empty() {
                    answer(StatusCode::BAD_REQUEST, TEXT, WHICH)
                } else {
                    end(&*process, &filter).await
                }
            }
        },
    )
}

/// `POST /grants/revoke-all`
pub(super) fn revoke_all(
    process: &Arc<dyn Process>,
) -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone + use<> {
    let process = Arc::clone(process);
    warp::path!("grants" / "revoke-all").and(warp::post()).then(move || {
        let process = Arc::clone(&process);
        async move { end(&*process, &GrantFilter::default()).await }
    })
}

async fn end(process: &dyn Process, filter: &GrantFilter) -> Response<Bytes> {
    let ended = process.revoke_grants(filter).await;
    audit::Entry {
        provider: filter.provider.as_deref(),
        client_id: filter.client.as_deref(),
        subject: filter.subject.as_deref(),
        grant: filter.id.as_deref(),
        by: Some("revoke_grants"),
        ..audit::Entry::default()
    }
    .tell(audit::Event::AdminAction, if ended.is_ok() { "ok" } else { "refused" });
    match ended {
        Ok(revoked) => json(StatusCode::OK, &Revoked { revoked }),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &StoreError) -> Response<Bytes> {
    answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n"))
}
