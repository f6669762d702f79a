//! What we say about ourselves: authorization server metadata (RFC 8414, with the OpenID Connect
//! Discovery fields that strict clients demand) and protected resource metadata (RFC 9728).

use serde_json::{Value, json};

use super::Authority;
use crate::{
    config::plan::RoutePlan,
    oauth::{JwsAlgorithm, Scope, Scopes},
};

// === impl Authority ===

impl Authority {
    /// RFC 8414 section 2. The same document answers as `openid-configuration`; it is there while
    /// the provider is down (W3).
    pub fn metadata(&self) -> Value {
        let issuer = &self.plan.issuer;
        let mut scopes = self.plan.valid_scopes.to_vec();
        scopes.push(Scope::OFFLINE_ACCESS.to_owned());
        let mut methods = vec!["none", "client_secret_post", "client_secret_basic"];
        if self.plan.enable_cimd {
            methods.push("private_key_jwt");
        }
        let mut metadata = json!({
            "issuer": issuer.as_str(),
            "authorization_endpoint": issuer.endpoint("/authorize"),
            "token_endpoint": issuer.endpoint("/token"),
            "revocation_endpoint": issuer.endpoint("/revoke"),
            "jwks_uri": issuer.endpoint("/.well-known/jwks.json"),
            "scopes_supported": scopes,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": self.plan.enable_cimd,
            // We issue no ID tokens; clients that follow OpenID Connect Discovery want these all
            // the same, RS256 among the algorithms.
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            // Its default is true.
            "request_uri_parameter_supported": false,
        });
        if let Some(page) = &self.plan.service_documentation {
            set(&mut metadata, "service_documentation", page.as_str().into());
        }
        if self.plan.dynamic_registration {
            set(&mut metadata, "registration_endpoint", issuer.endpoint("/register").into());
        }
        if self.plan.enable_cimd {
            let algorithms = JwsAlgorithm::ALL.map(JwsAlgorithm::as_str).to_vec();
            set(&mut metadata, "token_endpoint_auth_signing_alg_values_supported", algorithms.clone().into());
            set(&mut metadata, "revocation_endpoint_auth_signing_alg_values_supported", algorithms.into());
        }
        metadata
    }

    /// RFC 9728 section 2, with the issuer of the route's tokens. `offline_access` is no business of a resource (RS-9), nor are the
    /// scopes that every sign-in has anyway.
    pub fn resource_metadata(&self, route: &RoutePlan, issuer: &str) -> Value {
        let mut metadata = json!({
            "resource": route.resource.as_str(),
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
        });
        let scopes: Scopes = route.required_scopes.without(Scope::OFFLINE_ACCESS);
        if !scopes.is_empty() {
            set(&mut metadata, "scopes_supported", scopes.to_vec().into());
        }
        metadata
    }
}

fn set(metadata: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = metadata {
        fields.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
