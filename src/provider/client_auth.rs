//! How the application proves itself at the provider's token endpoint (RFC 6749 section 2.3).

use openidconnect::{AuthType, ClientSecret};

use super::metadata::Metadata;
use crate::{
    config::plan::{ClientAuthMethod, ProviderPlan},
    secret::Secret,
};

/// The application's credentials and how they travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    /// `client_secret_basic`
    Basic(Secret),
    /// `client_secret_post`
    Post(Secret),
    /// `none`
    None,
}

// === impl ClientAuth ===

impl ClientAuth {
    /// The plan's choice, or the metadata's: basic where it is possible (and when nothing is said:
    /// it is the default of RFC 8414), post where only that is.
    pub(super) fn choose(plan: &ProviderPlan, metadata: &Metadata) -> Self {
        let Some(secret) = plan.client_secret.clone() else {
            return Self::None;
        };
        let method = plan.token_endpoint_auth_method.unwrap_or_else(|| {
            let offered = metadata.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
            let offers = |name: &str| offered.iter().any(|method| method == name);
            let only_post = !offers("client_secret_basic") && offers("client_secret_post");
            if only_post { ClientAuthMethod::Post } else { ClientAuthMethod::Basic }
        });
        match method {
            ClientAuthMethod::Basic => Self::Basic(secret),
            ClientAuthMethod::Post => Self::Post(secret),
            ClientAuthMethod::None => Self::None,
        }
    }

    pub(super) fn secret(&self) -> Option<ClientSecret> {
        match self {
            Self::Basic(secret) | Self::Post(secret) => Some(ClientSecret::new(secret.expose().to_owned())),
            Self::None => None,
        }
    }

    pub(super) fn auth_type(&self) -> AuthType {
        match self {
            Self::Basic(_) => AuthType::BasicAuth,
            Self::Post(_) | Self::None => AuthType::RequestBody,
        }
    }
}
