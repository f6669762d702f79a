//! The `.env` file of FastMCP 2's Auth0 guide, with one variable more for the server behind.

use reqwest::StatusCode;
use serde_json::json;
use vestibule::demo::identity_provider::Endpoint;

use crate::{
    client::{Client, Tokens},
    stage::Stage,
};

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

    let asked = stage.provider_requests(Endpoint::Authorize).remove(0);
    let get = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(get("audience"), Some("https://api.example.com"));
    assert_eq!(get("redirect_uri"), Some(format!("{}/auth/callback", stage.origin).as_str()));
    stage.stop().await;
}
