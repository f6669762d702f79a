//! Against the demo's provider, which other hands wrote: two readings of the standards must agree.

use std::sync::Arc;

use url::Url;

use super::{
    super::{CallbackParameters, Provider, Wishes},
    fixture,
};
use crate::{
    config::plan::ClientAuthMethod,
    demo::identity_provider::{DemoIdentityProvider, Options, Rotation, Running},
    egress::Egress,
    metrics::Metrics,
    oauth::Scopes,
    provider::tokens::{RenewError, TokenSource},
    time::Clock,
};

fn provider(idp: &Running, egress: &Egress, method: Option<ClientAuthMethod>) -> Arc<Provider> {
    let mut plan = fixture::plan(idp.issuer());
    plan.config_url = Some(idp.config_url().parse().unwrap());
    plan.client_id = idp.client_id().to_owned();
    plan.client_secret = idp.client_secret().cloned();
    plan.token_endpoint_auth_method = method;
    plan.required_scopes = Scopes::parse("openid email profile").unwrap();
    plan.callback_url = "http://127.0.0.1:9/auth/callback".parse().unwrap();
    let metrics = Metrics::new().unwrap().provider("demo");
    Provider::new(Arc::new(plan), egress.clone(), Clock::system(), metrics)
}

async fn sign_in(idp: &Running, egress: &Egress, url: &Url) -> CallbackParameters {
    let form = idp.sign_in_form(url, "ada");
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields).finish();
    let request = http::Request::post(form.action)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into_bytes())
        .unwrap();
    let answer = egress.send(request).await.unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let parameter = |name| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    CallbackParameters { code: parameter("code").unwrap(), iss: parameter("iss") }
}

#[tokio::test]
async fn sign_in_renewal_and_revocation() {
    let post = Some(ClientAuthMethod::Post);
    let cases = [
        (Options::default(), None),
        (Options::default(), post),
        (Options { claims_in_id_token: false, ..Options::default() }, None),
        (Options { rotate_refresh_tokens: false, issuer_path: "/realms/demo".to_owned(), ..Options::default() }, None),
        (Options { issuer_path: "/".to_owned(), ..Options::default() }.public_client(), None),
    ];
    for (options, method) in cases {
        let rotates = options.rotate_refresh_tokens;
        let idp = DemoIdentityProvider::start(options).await.unwrap();
        let egress = Egress::for_provider(std::time::Duration::from_secs(5), true).unwrap();
        let provider = provider(&idp, &egress, method);
        let (url, login) = provider.begin_login(&Scopes::default(), true, Wishes::default()).await.unwrap();
        let callback = sign_in(&idp, &egress, &url).await;
        let (identity, tokens) = provider.finish_login(&login, &callback).await.unwrap();
        assert_eq!(identity.issuer, idp.issuer());
        assert_eq!(identity.subject, "demo|ada");
        assert_eq!(identity.email.as_deref(), Some("ada@example.com"));
        assert!(identity.email_verified && identity.name.is_some());

        let renewed = provider.renew(&tokens).await.unwrap().tokens;
        assert_ne!(renewed.access_token, tokens.access_token);
        assert_eq!(renewed.refresh_token != tokens.refresh_token, rotates);
        provider.revoke(&renewed).await;
        assert_eq!(idp.grants(), 0);
        assert!(matches!(provider.renew(&renewed).await, Err(RenewError::Ended(_))));

        idp.rotate_key(Rotation::ForgetOld).unwrap();
        let (url, login) = provider.begin_login(&Scopes::default(), true, Wishes::default()).await.unwrap();
        let callback = sign_in(&idp, &egress, &url).await;
        provider.finish_login(&login, &callback).await.unwrap();
        provider.finish_login(&login, &callback).await.unwrap_err();
    }
}
