//! The identity providers of a choice as one source of tokens: each grant is renewed and revoked
//! where the person signed in, and nowhere else.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Provider,
    tokens::{GivenBy, ProviderTokens, RenewError, Renewal, TokenSource},
};

/// The identity providers of one choice.
#[derive(Clone, Debug)]
pub struct Choice(Vec<Arc<Provider>>);

// === impl Choice ===

impl Choice {
    /// Those that people can choose.
    pub fn new(providers: Vec<Arc<Provider>>) -> Self {
        Self(providers)
    }

    fn giver(&self, tokens: &ProviderTokens) -> Option<&Arc<Provider>> {
        let given_by = tokens.given_by.as_ref()?;
        self.0.iter().find(|provider| GivenBy::of(provider.plan()) == *given_by)
    }
}

#[async_trait]
impl TokenSource for Choice {
    async fn renew(&self, tokens: &ProviderTokens) -> Result<Renewal, RenewError> {
        let Some(provider) = self.giver(tokens) else {
            return Err(RenewError::Ended("this identity provider is not offered any more".to_owned()));
        };
        provider.renew(tokens).await
    }

    async fn revoke(&self, tokens: &ProviderTokens) {
        if let Some(provider) = self.giver(tokens) {
            provider.revoke(tokens).await;
        }
    }
}
