//! What an operator can do about the way a flow ended.

/// By the outcome's word, see docs/metrics.md; `None` where there is nothing to do.
pub(super) fn advice(outcome: &str) -> Option<&'static str> {
    Some(match outcome {
        "invalid_request" | "duplicate_param" | "unsupported_response_type" => {
            "The client does not speak OAuth as it should: report it to its makers, with this flow's steps."
        }
        "unknown_client" => {
            "The client has an identifier that this server did not give (another root secret, another issuer, a client \
             removed from the file). Have it forget what it knows of this server and connect again."
        }
        "redirect_uri_mismatch" => {
            "The client wants to return to an address that it did not register, or that allowed_client_redirect_uris \
             does not cover. Have it connect again, or add the address if you trust it."
        }
        "pkce_missing" | "pkce_method" | "pkce_mismatch" => {
            "The client does not do PKCE with S256, which is required: update it."
        }
        "invalid_scope" => {
            "The client asks only for scopes that are not in valid_scopes: add them, or update the client."
        }
        "invalid_target" => {
            "The client asks for access to a URL that is no route of this provider: compare it with the routes."
        }
        "provider_not_ready" | "provider_unavailable" => {
            "The identity provider cannot be reached: /readyz says why, `vestibule check --online` shows each step."
        }
        "rate_limited" => "Too many requests from one address; see `limits` if that is a shared one.",
        "abandoned" => {
            "The person did not come back from the identity provider. If many do not: does it show an error of its own? Is \
             the callback URL that `vestibule check` prints entered there?"
        }
        "access_denied" | "denied" => {
            "The person said no, or the provider's policy did: its sign-in log has the reason."
        }
        "idp_error" => {
            "The provider refused the request: its error is in the steps; most often the application's settings there."
        }
        "state_missing" | "state_unknown" | "state_expired" | "state_replayed" | "cookie_mismatch" => {
            "The browser did not bring back what it was given: another browser, a private window, cookies switched off, a \
             page loaded twice, or more time than lifetimes.transaction. Start the sign-in again."
        }
        "iss_mismatch" => "The answer names another issuer than the provider's metadata: check config_url.",
        "code_missing" => "The provider answered with neither a code nor an error.",
        "exchange_failed" => {
            "The provider refused the code: most often client_secret is wrong or was rotated, or the callback URL entered \
             there differs."
        }
        "id_token_invalid" | "nonce_mismatch" => {
            "The provider's ID token does not pass: compare its issuer and the application's client_id, and the clocks."
        }
        "access_token_invalid" => {
            "The provider's access token is not for the configured audience, or no JWT: the log says what was found. Correct \
             the API there, `audience` here, or write `verify_id_token: true`."
        }
        "userinfo_failed" => "The provider's user info is about somebody else, or cannot be read.",
        "policy_denied" => "The person may not pass: `vestibule explain` says which rule refuses, and why.",
        "store_error" => "The store did not answer: /readyz says why.",
        "code_unknown" | "code_expired" | "code_replayed" => {
            "The client came too late with its code, twice, or with one that is not its own; have it connect again."
        }
        "invalid_client" => "The client could not show who it is: its secret or its assertion is wrong.",
        _ => return None,
    })
}
