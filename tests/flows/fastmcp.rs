//! The `.env` file of FastMCP 2's Auth0 guide, with one variable more for the server behind.

use reqwest::StatusCode;
use serde_json::json;
use vestibule::demo::identity_provider::Endpoint;

use crate::{
    client::{Client, Tokens, http, json_of},
    stage::Stage,
};

/// W8: `BASE_URL` below a path, `ISSUER_URL` at the root: endpoints at the one, the identity at the other.
#[tokio::test]
async fn w8_an_issuer_of_its_own() {
    let stage = Stage::from_env_file(|provider, public_url, backend| {
        format!(
            "\
FASTMCP_SERVER_AUTH=fastmcp.server.auth.providers.auth0.Auth0Provider
FASTMCP_SERVER_AUTH_AUTH0_CONFIG_URL={}
FASTMCP_SERVER_AUTH_AUTH0_CLIENT_ID={}
FASTMCP_SERVER_AUTH_AUTH0_CLIENT_SECRET={}
FASTMCP_SERVER_AUTH_AUTH0_AUDIENCE=https://api.example.com
FASTMCP_SERVER_AUTH_AUTH0_BASE_URL={public_url}/gw
FASTMCP_SERVER_AUTH_AUTH0_ISSUER_URL={public_url}
VESTIBULE_BACKEND={backend}
",
            provider.config_url(),
            provider.client_id(),
            provider.client_secret().unwrap().expose(),
        )
    })
    .await;
    let client = Client::discover(&format!("{}/gw/mcp", stage.origin)).await;
    assert_eq!(client.issuer, stage.origin);
    assert_eq!(client.endpoint("token_endpoint"), format!("{}/gw/token", stage.origin));
    let tokens = client.tokens("ada").await;
    assert_eq!(tokens.claims()["iss"], stage.origin.as_str());
    assert_eq!(tokens.claims()["aud"], client.resource.as_str());
    let answer = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;
    // Discovery of OpenID Connect finds the same document.
    let url = format!("{}/.well-known/openid-configuration", stage.origin);
    assert_eq!(json_of(http().get(url).send().await.unwrap()).await["issuer"], stage.origin.as_str());
    stage.stop().await;
}

#[tokio::test]
async fn the_guides_variables_and_a_backend_are_a_gateway() {
    let stage = Stage::from_env_file(|provider, public_url, backend| {
        format!(
            "\
FASTMCP_SERVER_AUTH=fastmcp.server.auth.providers.auth0.Auth0Provider
FASTMCP_SERVER_AUTH_AUTH0_CONFIG_URL={}
FASTMCP_SERVER_AUTH_AUTH0_CLIENT_ID={}
FASTMCP_SERVER_AUTH_AUTH0_CLIENT_SECRET={}
FASTMCP_SERVER_AUTH_AUTH0_AUDIENCE=https://api.example.com
FASTMCP_SERVER_AUTH_AUTH0_BASE_URL={public_url}
FASTMCP_SERVER_AUTH_AUTH0_REQUIRED_SCOPES=openid,profile,email
FASTMCP_SERVER_AUTH_AUTH0_ALLOWED_CLIENT_REDIRECT_URIS=[\"http://127.0.0.1:*\"]
VESTIBULE_BACKEND={backend}
",
            provider.config_url(),
            provider.client_id(),
            provider.client_secret().unwrap().expose(),
        )
    })
    .await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let answer = client.call(&tokens.access, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("ada"));
    Tokens::read(client.refresh(tokens.refresh_token()).await).await;

    let elsewhere = json!({ "redirect_uris": ["https://elsewhere.example/cb"] });
    assert_eq!(client.register(&elsewhere).await.status(), StatusCode::BAD_REQUEST);

    let asked = stage.provider_requests(Endpoint::Authorize).remove(0);
    let get = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(get("audience"), Some("https://api.example.com"));
    assert_eq!(get("redirect_uri"), Some(format!("{}/auth/callback", stage.origin).as_str()));
    stage.stop().await;
}
