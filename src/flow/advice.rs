//! What an operator can do about the way a flow ended, or about what was refused after it.

/// By the outcome's word, see docs/metrics.md; `None` where there is nothing to do.
pub(super) fn advice(outcome: &str) -> Option<&'static str> {
    of_sign_in(outcome).or_else(|| of_token(outcome))
}

/// How an authorization request or a sign-in ended.
fn of_sign_in(outcome: &str) -> Option<&'static str> {
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
        "no_token" => {
            "Nobody came back with a token. Did the client find the provider by the metadata that the 401 names? Does the \
             provider show an error of its own, and does it register clients? `vestibule check --online` shows each step."
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
        "consent_needed" => {
            "Somebody else signed in than the person who had approved in this browser, and was shown the consent page."
        }
        "store_error" => "The store did not answer: /readyz says why.",
        _ => return None,
    })
}

/// How a token request or the check of a token ended.
fn of_token(outcome: &str) -> Option<&'static str> {
    Some(match outcome {
        "code_unknown" | "code_expired" | "code_replayed" => {
            "The client came too late with its code, twice, or with one that is not its own; have it connect again."
        }
        "invalid_client" => "The client could not show who it is: its secret or its assertion is wrong.",
        "unauthorized_client" | "unsupported_grant_type" => {
            "The client asks for tokens in a way that is not open to it: report it to its makers, with this flow's steps."
        }
        "refresh_unknown" | "refresh_expired" => {
            "The client renews with a token that has ended, or was not made here: have it connect again. If it comes often, \
             compare lifetimes.refresh with how long the client is away."
        }
        "refresh_reused" => {
            "A refresh token came twice, so the access was ended: the client lost an answer or races itself, or somebody \
             copied its token. Have it connect again."
        }
        "idp_grant_ended" => {
            "The provider does not renew the person's sign-in any more: it ended there, or its refresh token is too old. \
             Have the person sign in again."
        }
        "idp_refresh_failed" | "keys_unavailable" | "introspection_failed" => {
            "The identity provider does not answer: /readyz says why, `vestibule check --online` shows each step. The \
             client tries again by itself."
        }
        "audience_mismatch" => {
            "The token was made for another route or another server: the client has to ask for access to the URL that it \
             calls. With `mode: remote`, compare `audience` with the API at the provider."
        }
        "issuer_mismatch" => {
            "The token was made by somebody else: public_url was changed, or (with `mode: remote`) `issuer` is not what the \
             provider writes."
        }
        "scope_insufficient" => {
            "The token covers too little for the route: the client was told which scopes to ask for. Compare \
             required_scopes with what the client asked and the person allowed."
        }
        "revoked" => {
            "The access was ended: by the client, by a token that came twice, by the provider or by a rule; the audit log \
             says by whom. Have the client connect again."
        }
        "bad_signature" | "unknown_kid" | "alg_not_allowed" => {
            "No key fits the token: the root secret or the store was replaced, or (with `mode: remote`) the token is not \
             this provider's. Have the client connect again."
        }
        "malformed" | "too_large" => {
            "The token cannot be read: not the access token, or (with `mode: remote`) an opaque one, which needs \
             `introspection`."
        }
        "not_yet_valid" => "The token begins in the future: compare the clocks of this machine and the provider.",
        _ => return None,
    })
}
