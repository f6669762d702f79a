//! Closed sets of label values. Every outcome maps to exactly one [`Fault`].

/// Whose fault an outcome is; what service levels are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It went well.
    None,
    /// The person in front of the browser (or their permissions).
    User,
    /// The client program.
    Client,
    /// The identity provider.
    Idp,
    /// We, our store, our configuration.
    Gateway,
}

impl Fault {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::User => "user",
            Self::Client => "client",
            Self::Idp => "idp",
            Self::Gateway => "gateway",
        }
    }
}

/// A closed set of label values: `Variant = "label"`, and for outcomes `=> Fault`.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal $(=> $fault:ident)?),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each variant is documented by its label value")]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Every label value, in order.
            pub const LABELS: &'static [&'static str] = &[$($text),*];

            /// The label value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            labels!(@fault $($variant $(=> $fault)?),*);
        }
    };
    (@fault $($variant:ident => $fault:ident),*) => {
        /// Whose fault each of [`Self::LABELS`] is.
        pub const FAULTS: &'static [&'static str] = &[$(Fault::$fault.as_str()),*];

        /// Whose fault it is.
        pub const fn fault(self) -> Fault {
            match self { $(Self::$variant => Fault::$fault),* }
        }
    };
    (@fault $($variant:ident),*) => {
        /// It is nobody's fault.
        pub const FAULTS: &'static [&'static str] = &[];
    };
}

labels! {
    /// How a client became known.
    ClientType { Static = "static", Dynamic = "dynamic", Document = "metadata_document", Unknown = "unknown" }
}

labels! {
    /// How an authorization request ended.
    Authorize {
        Ok = "ok" => None,
        InvalidRequest = "invalid_request" => Client,
        DuplicateParam = "duplicate_param" => Client,
        UnknownClient = "unknown_client" => Client,
        RedirectUriMismatch = "redirect_uri_mismatch" => Client,
        UnsupportedResponseType = "unsupported_response_type" => Client,
        PkceMissing = "pkce_missing" => Client,
        PkceMethod = "pkce_method" => Client,
        InvalidScope = "invalid_scope" => Client,
        InvalidTarget = "invalid_target" => Client,
        ProviderNotReady = "provider_not_ready" => Idp,
        RateLimited = "rate_limited" => Client,
    }
}

labels! {
    /// What happened to the consent page.
    Consent {
        Shown = "shown", Approved = "approved", Denied = "denied", Remembered = "remembered", Expired = "expired",
        CsrfRejected = "csrf_rejected",
    }
}

labels! {
    /// How the return from the provider ended.
    Callback {
        Ok = "ok" => None,
        IdpError = "idp_error" => Idp,
        AccessDenied = "access_denied" => User,
        StateMissing = "state_missing" => User,
        StateUnknown = "state_unknown" => User,
        StateExpired = "state_expired" => User,
        StateReplayed = "state_replayed" => User,
        CookieMismatch = "cookie_mismatch" => User,
        IssMismatch = "iss_mismatch" => Idp,
        CodeMissing = "code_missing" => Idp,
        DuplicateParam = "duplicate_param" => User,
        ExchangeFailed = "exchange_failed" => Idp,
        IdTokenInvalid = "id_token_invalid" => Idp,
        AccessTokenInvalid = "access_token_invalid" => Idp,
        NonceMismatch = "nonce_mismatch" => Idp,
        UserinfoFailed = "userinfo_failed" => Idp,
        PolicyDenied = "policy_denied" => User,
        ConsentNeeded = "consent_needed" => User,
        ProviderUnavailable = "provider_unavailable" => Idp,
        StoreError = "store_error" => Gateway,
        // Only of sign-ins that end without a callback: on our page, or nowhere.
        Denied = "denied" => User,
        Abandoned = "abandoned" => User,
    }
}

labels! {
    /// The kind of rule that refused a person.
    Denial {
        EmailDomain = "email_domain", Named = "named", EmailUnverified = "email_unverified", Group = "group",
        Claim = "claim",
    }
}

labels! {
    /// The grant type of a token request.
    GrantType { AuthorizationCode = "authorization_code", RefreshToken = "refresh_token", Other = "other" }
}

labels! {
    /// How a token request ended.
    TokenRequest {
        Ok = "ok" => None,
        InvalidRequest = "invalid_request" => Client,
        InvalidClient = "invalid_client" => Client,
        UnauthorizedClient = "unauthorized_client" => Client,
        UnsupportedGrantType = "unsupported_grant_type" => Client,
        CodeUnknown = "code_unknown" => Client,
        CodeExpired = "code_expired" => Client,
        CodeReplayed = "code_replayed" => Client,
        RedirectUriMismatch = "redirect_uri_mismatch" => Client,
        PkceMismatch = "pkce_mismatch" => Client,
        RefreshUnknown = "refresh_unknown" => Client,
        RefreshExpired = "refresh_expired" => Client,
        RefreshReused = "refresh_reused" => Client,
        InvalidScope = "invalid_scope" => Client,
        InvalidTarget = "invalid_target" => Client,
        IdpGrantEnded = "idp_grant_ended" => User,
        PolicyDenied = "policy_denied" => User,
        IdpRefreshFailed = "idp_refresh_failed" => Idp,
        RateLimited = "rate_limited" => Client,
        StoreError = "store_error" => Gateway,
    }
}

labels! {
    /// What was handed out.
    TokenType { Access = "access", Refresh = "refresh" }
}

labels! {
    /// What a used refresh token met.
    RefreshReuse { Grace = "grace", FamilyRevoked = "family_revoked" }
}

labels! {
    /// How a refresh at the provider ended.
    ProviderRefresh {
        Ok = "ok", Coalesced = "coalesced", InvalidGrant = "invalid_grant", Transient = "transient",
        NoRefreshToken = "no_refresh_token",
    }
}

labels! {
    /// Who ended a grant.
    RevocationInitiator {
        Client = "client", Admin = "admin", Reuse = "reuse", Expiry = "expiry", Config = "config", Policy = "policy",
    }
}

labels! {
    /// Whether it did end.
    Revocation { Ok = "ok", StoreError = "store_error" }
}

labels! {
    /// How a registration ended.
    Registration {
        Created = "created" => None,
        InvalidMetadata = "invalid_metadata" => Client,
        InvalidRedirectUri = "invalid_redirect_uri" => Client,
        RateLimited = "rate_limited" => Client,
        FetchBlocked = "fetch_blocked" => Client,
        FetchFailed = "fetch_failed" => Client,
    }
}

labels! {
    /// How clients are registered.
    RegistrationMethod { Dynamic = "dcr", Document = "metadata_document" }
}

labels! {
    /// How the check of a bearer token ended.
    Verification {
        Valid = "valid" => None,
        Missing = "missing" => Client,
        Malformed = "malformed" => Client,
        TooLarge = "too_large" => Client,
        Expired = "expired" => Client,
        NotYetValid = "not_yet_valid" => Client,
        BadSignature = "bad_signature" => Client,
        UnknownKid = "unknown_kid" => Client,
        AlgNotAllowed = "alg_not_allowed" => Client,
        IssuerMismatch = "issuer_mismatch" => Client,
        AudienceMismatch = "audience_mismatch" => Client,
        ScopeInsufficient = "scope_insufficient" => Client,
        Revoked = "revoked" => Client,
        PolicyDenied = "policy_denied" => User,
        StoreError = "store_error" => Gateway,
        ProviderUnavailable = "provider_unavailable" => Idp,
        KeysUnavailable = "keys_unavailable" => Idp,
        IntrospectionFailed = "introspection_failed" => Idp,
    }
}

labels! {
    /// What was checked at the gate.
    Credential { Jwt = "jwt", Opaque = "opaque" }
}

labels! {
    /// The method of a request; what nobody knows is `OTHER`.
    Method {
        Get = "GET", Head = "HEAD", Post = "POST", Put = "PUT", Patch = "PATCH", Delete = "DELETE",
        Options = "OPTIONS", Other = "OTHER",
    }
}

labels! {
    /// How a forwarded request ended.
    Backend {
        Ok = "ok", ConnectError = "connect_error", TlsError = "tls_error", Timeout = "timeout", Reset = "reset",
        ProtocolError = "protocol_error", BodyTooLarge = "body_too_large", ClientAbort = "client_abort",
    }
}

labels! {
    /// What kind of long-lived response is open.
    StreamKind { Sse = "sse", Websocket = "websocket", Grpc = "grpc" }
}

labels! {
    /// The provider's endpoint that was asked.
    ProviderEndpoint {
        Discovery = "discovery", Jwks = "jwks", Token = "token", Userinfo = "userinfo", Revocation = "revocation",
        Introspection = "introspection",
    }
}

labels! {
    /// What a request to the provider came to.
    CodeClass { Success = "2xx", Refused = "4xx", Failed = "5xx", Error = "error" }
}

labels! {
    /// Why keys were fetched; `startup` is the first time, also of a provider that a reload brought.
    JwksTrigger { Startup = "startup", Interval = "interval", UnknownKid = "unknown_kid" }
}

labels! {
    /// How a fetch of discovery or keys ended.
    Refresh {
        Ok = "ok", Unchanged = "unchanged", Throttled = "throttled", Error = "error", IssuerMismatch = "issuer_mismatch",
    }
}

labels! {
    /// What was asked of the store.
    StoreOperation { Get = "get", Commit = "commit", Find = "find", List = "list", Sweep = "sweep" }
}

labels! {
    /// How the store answered.
    StoreOutcome { Ok = "ok", Miss = "miss", Conflict = "conflict", Error = "error" }
}

labels! {
    /// Which limiter refused.
    Limiter { Register = "register", Authorize = "authorize", Token = "token", DocumentFetch = "document_fetch" }
}

labels! {
    /// Values in the store that no key opens. What a browser carries is not among them: anybody can make
    /// that up.
    SealedKind { Grant = "grant", Code = "code", Key = "key", Meta = "meta" }
}

labels! {
    /// What one of our signing keys does.
    KeyUse { Signs = "signs", Waits = "waits", Verifies = "verifies" }
}

labels! {
    /// Why the configuration was read.
    ReloadTrigger {
        Startup = "startup", File = "file", Secret = "secret", Signal = "signal", Api = "api", Poll = "poll",
    }
}

labels! {
    /// What became of a configuration that was read.
    ReloadOutcome {
        Applied = "applied", Unchanged = "unchanged", Rejected = "rejected", RestartRequired = "restart_required",
    }
}

labels! {
    /// How a TLS handshake of a client ended.
    TlsHandshake {
        Ok = "ok", Timeout = "timeout", Closed = "closed", PlainHttp = "plain_http", Incompatible = "incompatible",
        CertificateRefused = "certificate_refused", ProtocolError = "protocol_error",
    }
}

labels! {
    /// What a configuration holds.
    ConfigObject { Provider = "provider", Route = "route", Client = "client" }
}
