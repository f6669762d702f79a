//! The beginning of a sign-in: the authorization request (RFC 6749 section 4.1.1, OpenID Connect
//! Core section 3.1.2.1). PKCE, state and nonce towards the provider are our own, never a client's.

use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge, Scope, core::CoreAuthenticationFlow};
use url::Url;

use super::{
    Provider,
    discovery::{Discovered, Says},
    error::LoginError,
    hints::{Hints, Wishes},
    login::Login,
    scope,
};
use crate::oauth::{self, Scopes};

/// Bytes of randomness in `state` and `nonce`.
const RANDOM_BYTES: u32 = 32;

// === impl Provider ===

impl Provider {
    /// Where to send the browser, and what to keep until it comes back. Asks for the plan's required
    /// scopes and `scopes` (and `openid` where there are ID tokens); with `offline` for a refresh
    /// token too, if the plan wants one and the provider knows `offline_access`.
    ///
    /// # Errors
    /// [`LoginError::Unavailable`] while nothing is known of the provider.
    pub async fn begin_login(
        &self,
        scopes: &Scopes,
        offline: bool,
        wishes: Wishes<'_>,
    ) -> Result<(Url, Login), LoginError> {
        let known = self.ready().await.map_err(LoginError::Unavailable)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let pkce = self.plan.protocol.forward_pkce.then_some((challenge, verifier));
        let new_state = || CsrfToken::new_random_len(RANDOM_BYTES);
        let wanted = scopes;
        let scopes = self.asked(&known, wanted, offline);
        let parameters = self.authorize_parameters(&known, wishes);
        let (url, state, nonce) = match &known.says {
            Says::IdToken(_) => {
                let nonce = || Nonce::new_random_len(RANDOM_BYTES);
                let flow = CoreAuthenticationFlow::AuthorizationCode;
                // openidconnect adds `openid` itself.
                let scopes = scopes.filter(|scope| scope.as_str() != "openid");
                let mut request = known.client.authorize_url(flow, new_state, nonce).add_scopes(scopes);
                if let Some((challenge, _)) = &pkce {
                    request = request.set_pkce_challenge(challenge.clone());
                }
                parameters.fold(request, |request, (name, value)| request.add_extra_param(name, value)).url()
            }
            Says::UserApi { client, .. } => {
                let mut request = client.authorize_url(new_state).add_scopes(scopes);
                if let Some((challenge, _)) = &pkce {
                    request = request.set_pkce_challenge(challenge.clone());
                }
                let request = parameters.fold(request, |request, (name, value)| request.add_extra_param(name, value));
                let (url, state) = request.url();
                // Nothing would repeat it.
                (url, state, Nonce::new(String::new()))
            }
        };
        let login = Login {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            scopes: self.kept_for_exchange(wanted),
            pkce_verifier: pkce.map(|(_, verifier)| verifier.into_secret()),
        };
        Ok((url, login))
    }

    /// The plan's parameters, then what the client would like; the plan's count if both are there.
    fn authorize_parameters<'p>(
        &'p self,
        known: &Discovered,
        wishes: Wishes<'p>,
    ) -> impl Iterator<Item = (&'p str, &'p str)> {
        let own = &self.plan.extra_authorize_params;
        let resource = wishes.resource.filter(|_| self.plan.protocol.forward_resource);
        let resource = resource.map(|resource| ("resource", resource.as_str()));
        // What these mean is said by OpenID Connect only.
        let hints = wishes.hints.filter(|_| matches!(known.says, Says::IdToken(_)));
        let more = resource.into_iter().chain(hints.into_iter().flat_map(Hints::iter));
        let more = more.filter(|(name, _)| own.iter().all(|(own, _)| own != name));
        self.parameters(own).chain(more)
    }

    /// All scopes of one request.
    fn asked(&self, known: &Discovered, scopes: &Scopes, offline: bool) -> impl Iterator<Item = Scope> + use<> {
        let asked = self.plan.required_scopes.union(&scopes.without(oauth::Scope::OFFLINE_ACCESS));
        let names = &self.plan.protocol.scope_names;
        let mut asked: Vec<String> = asked.iter().map(|scope| scope::sent(names, scope.as_str())).collect();
        // Scopes of another API bear the name that they have there.
        for more in self.plan.protocol.additional_authorize_scopes.iter().map(oauth::Scope::as_str) {
            if asked.iter().all(|scope| scope != more) {
                asked.push(more.to_owned());
            }
        }
        let offline_access = oauth::Scope::OFFLINE_ACCESS;
        let offline = offline && self.plan.offline_access && known.knows_offline_access;
        if offline && !asked.iter().any(|scope| scope == offline_access) {
            asked.push(offline_access.to_owned());
        }
        asked.into_iter().map(Scope::new)
    }
}
