//! The discovery document (OpenID Connect Discovery section 3), with a test's changes applied.

use serde_json::{Map, Value, json};

use super::Provider;

/// The metadata of this provider.
pub(super) fn document(provider: &Provider) -> Value {
    let origin = &provider.origin;
    let mut scopes = vec!["openid", "profile", "email", "offline_access"];
    scopes.extend(provider.options.scopes.iter().map(String::as_str));
    let methods = &provider.options.token_endpoint_auth_methods;
    let mut document = json!({
        "issuer": provider.issuer,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "userinfo_endpoint": format!("{origin}/userinfo"),
        "jwks_uri": format!("{origin}/jwks"),
        "revocation_endpoint": format!("{origin}/revoke"),
        "introspection_endpoint": format!("{origin}/introspect"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "scopes_supported": scopes,
        "claims_supported":
            ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "email", "email_verified"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "claims_parameter_supported": false,
    });
    if let Some(fields) = document.as_object_mut() {
        apply(fields, &provider.metadata_changes());
    }
    document
}

/// A change to `null` takes the field away.
fn apply(fields: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}
