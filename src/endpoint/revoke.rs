//! Revocation (RFC 7009).

use std::sync::Arc;

use http::StatusCode;

use super::{
    Asked, Mount,
    answer::{self, Answer},
    token::{self, Refusal},
};
use crate::authority::{Parameters, TokenError};

/// Ends the grant of a token. Whether there was one is not told (RFC 7009 section 2.2, T7).
pub(super) async fn answer(mount: Arc<Mount>, asked: Asked, parameters: Parameters) -> Answer {
    match revoke(&mount, &asked, &parameters).await {
        Ok(()) => answer::empty(StatusCode::OK),
        Err(refusal) => token::refused(&mount, &refusal),
    }
}

async fn revoke(mount: &Mount, asked: &Asked, parameters: &Parameters) -> Result<(), Refusal> {
    let client = token::client(mount, asked, parameters).await?;
    let token = parameters.get("token").map_err(TokenError::from)?.ok_or(TokenError::Missing("token"))?;
    Ok(mount.authority.revoke(&client, token).await?)
}
