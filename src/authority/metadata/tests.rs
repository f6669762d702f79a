use serde_json::json;

use crate::{
    authority::tests::{Kit, route},
    oauth::Issuer,
};

fn issuer(mount: &str) -> Issuer {
    Issuer::new(&url::Url::parse("https://g.example").unwrap(), mount)
}

/// AS-2 to AS-10, W8, W10: the whole document of a mount.
#[tokio::test]
async fn as10_server_metadata() {
    let kit = Kit::with(|plan| plan.issuer = issuer("/auth0")).await;
    let methods = json!(["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]);
    let algorithms = json!(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]);
    assert_eq!(
        kit.authority.metadata(),
        json!({
            "issuer": "https://g.example/auth0",
            "authorization_endpoint": "https://g.example/auth0/authorize",
            "token_endpoint": "https://g.example/auth0/token",
            "registration_endpoint": "https://g.example/auth0/register",
            "revocation_endpoint": "https://g.example/auth0/revoke",
            "jwks_uri": "https://g.example/auth0/.well-known/jwks.json",
            "scopes_supported": ["openid", "email", "read", "write", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "request_uri_parameter_supported": false,
        })
    );
}

/// AS-5: what strict clients demand of `openid-configuration`; AS-21: nothing is advertised that
/// is switched off.
#[tokio::test]
async fn as5_as21_what_is_advertised() {
    let kit = Kit::with(|plan| {
        plan.dynamic_registration = false;
        plan.enable_cimd = false;
        plan.service_documentation = Some(url::Url::parse("https://docs.example/tools").unwrap());
    })
    .await;
    let metadata = kit.authority.metadata();
    assert_eq!(metadata["issuer"], "https://g.example");
    assert_eq!(metadata["token_endpoint"], "https://g.example/token");
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["client_id_metadata_document_supported"], false);
    assert_eq!(metadata["service_documentation"], "https://docs.example/tools");
    assert!(metadata.get("registration_endpoint").is_none());
    let methods = json!(["none", "client_secret_post", "client_secret_basic"]);
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], methods);
    assert!(metadata.get("token_endpoint_auth_signing_alg_values_supported").is_none());
    for field in ["jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"] {
        assert!(metadata.get(field).is_some(), "{field}");
    }
}

/// R2, RS-1, RS-4, RS-9: the resource byte for byte, our issuer, no `offline_access`.
#[tokio::test]
async fn r2_rs9_resource_metadata() {
    let kit = Kit::with(|plan| plan.issuer = issuer("/auth0")).await;
    assert_eq!(
        kit.authority
            .resource_metadata(&route("/auth0/mcp", "read offline_access"), kit.authority.plan().issuer.as_str()),
        json!({
            "resource": "https://g.example/auth0/mcp",
            "authorization_servers": ["https://g.example/auth0"],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["read"],
        })
    );
    let none = kit.authority.resource_metadata(&route("/", ""), kit.authority.plan().issuer.as_str());
    assert_eq!(none["resource"], "https://g.example");
    assert!(none.get("scopes_supported").is_none());
}
