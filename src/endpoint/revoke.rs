//! Revocation (RFC 7009).

use std::sync::Arc;

use http::StatusCode;

use super::{
    Asked, Mount,
    answer::{self, Answer},
    token::{self, Refusal},
};
use crate::{
    authority::{Parameters, TokenError},
    flow::StepKind,
};

/// Ends the grant of a token. Whether there was one is not told (RFC 7009 section 2.2, T7).
pub(super) async fn answer(mount: Arc<Mount>, asked: Asked, parameters: Parameters) -> Answer {
    let flow = parameters.get("token").ok().flatten().and_then(|token| mount.flow_of(token));
    match revoke(&mount, &asked, &parameters).await {
        Ok(()) => {
            mount.step(flow.as_ref(), StepKind::Revoked, "the client gave its access back");
            answer::empty(StatusCode::OK)
        }
        Err(refusal) => {
            if refusal.is_news(&mount, &asked) {
                let client_id = parameters.get("client_id").ok().flatten();
                mount.revocation_refused(flow.as_ref(), client_id, refusal.outcome(), &refusal.to_string());
            }
            token::refused(&mount, &refusal, flow.as_ref())
        }
    }
}

async fn revoke(mount: &Mount, asked: &Asked, parameters: &Parameters) -> Result<(), Refusal> {
    let client = token::client(mount, asked, parameters).await?;
    let token = parameters.get("token").map_err(TokenError::from)?.ok_or(TokenError::Missing("token"))?;
    Ok(mount.authority.revoke(&client, token).await?)
}
