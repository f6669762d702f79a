//! FastMCP's provider classes, their variables, and the keys here that mean the same. Data only.

/// One class that `FASTMCP_SERVER_AUTH` can name.
pub(super) struct Class {
    /// The class's name.
    pub(super) name: &'static str,
    /// The module below `fastmcp.server.auth.providers`.
    pub(super) module: &'static str,
    /// What its variables have after `FASTMCP_SERVER_AUTH_`.
    pub(super) family: &'static str,
    /// What the provider is called here.
    pub(super) provider: &'static str,
    /// What the class is, in variables of ours.
    pub(super) is: &'static [(&'static str, &'static str)],
    own: &'static [Variable],
    shared: &'static [Variable],
}

/// The end of a variable's name, and what it sets.
pub(super) type Variable = (&'static str, Sets);

/// What a variable of FastMCP's sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sets {
    /// A key of the provider, by its variable here.
    Key(&'static str),
    /// The same, where FastMCP takes a URL and only its host is wanted here.
    Host(&'static str),
    /// The same, where FastMCP takes the discovery URL and only its host is wanted here.
    Discovery(&'static str),
    /// `issuer`, and where its discovery document is.
    Issuer,
    /// A key whose slash at the beginning FastMCP adds the slash at the beginning.
    Path(&'static str),
    /// `public_url`, and `mount` if it has a path.
    BaseUrl,
    /// The root secret.
    RootSecret,
    /// Nothing: with this value it is so here anyway, with another one this has to be done.
    Nothing(&'static str, &'static str),
}

use Sets::{BaseUrl, Discovery, Host, Issuer, Key, Nothing, Path, RootSecret};

/// Of classes that stand in front of a fixed application.
const PROXY: &[Variable] = &[
    ("CLIENT_ID", Key("CLIENT_ID")),
    ("CLIENT_SECRET", Key("CLIENT_SECRET")),
    ("BASE_URL", BaseUrl),
    ("ISSUER_URL", Key("ISSUER_URL")),
    ("REDIRECT_PATH", Path("REDIRECT_PATH")),
    ("REQUIRED_SCOPES", Key("REQUIRED_SCOPES")),
    ("ALLOWED_CLIENT_REDIRECT_URIS", Key("ALLOWED_CLIENT_REDIRECT_URIS")),
    ("JWT_SIGNING_KEY", RootSecret),
];
/// Of classes whose provider registers clients itself.
const REMOTE: &[Variable] = &[("BASE_URL", BaseUrl), ("REQUIRED_SCOPES", Key("REQUIRED_SCOPES"))];
const TIMEOUT: Variable = ("TIMEOUT_SECONDS", Key("TIMEOUT_SECONDS"));

/// All that had variables in FastMCP 2.
pub(super) const ALL: [Class; 14] = [
    Class {
        name: "Auth0Provider",
        module: "auth0",
        family: "AUTH0",
        provider: "auth0",
        is: &[("PRESET", "auth0")],
        own: &[("CONFIG_URL", Key("CONFIG_URL")), ("AUDIENCE", Key("AUDIENCE"))],
        shared: PROXY,
    },
    Class {
        name: "AzureProvider",
        module: "azure",
        family: "AZURE",
        provider: "azure",
        is: &[("PRESET", "entra")],
        own: &[
            ("TENANT_ID", Key("TENANT_ID")),
            ("IDENTIFIER_URI", Key("IDENTIFIER_URI")),
            ("ADDITIONAL_AUTHORIZE_SCOPES", Key("ADDITIONAL_AUTHORIZE_SCOPES")),
            ("BASE_AUTHORITY", Host("BASE_AUTHORITY")),
            TIMEOUT,
        ],
        shared: PROXY,
    },
    Class {
        name: "GoogleProvider",
        module: "google",
        family: "GOOGLE",
        provider: "google",
        is: &[("PRESET", "google")],
        own: &[TIMEOUT],
        shared: PROXY,
    },
    Class {
        name: "GitHubProvider",
        module: "github",
        family: "GITHUB",
        provider: "github",
        is: &[("PRESET", "github")],
        own: &[TIMEOUT],
        shared: PROXY,
    },
    Class {
        name: "DiscordProvider",
        module: "discord",
        family: "DISCORD",
        provider: "discord",
        is: &[("PRESET", "discord")],
        own: &[TIMEOUT],
        shared: PROXY,
    },
    Class {
        name: "WorkOSProvider",
        module: "workos",
        family: "WORKOS",
        provider: "workos",
        is: &[("PRESET", "workos")],
        own: &[("AUTHKIT_DOMAIN", Host("AUTHKIT_DOMAIN")), TIMEOUT],
        shared: PROXY,
    },
    Class {
        name: "AWSCognitoProvider",
        module: "aws",
        family: "AWS_COGNITO",
        provider: "cognito",
        is: &[("PRESET", "cognito")],
        own: &[("USER_POOL_ID", Key("USER_POOL_ID")), ("AWS_REGION", Key("AWS_REGION"))],
        shared: PROXY,
    },
    Class {
        name: "OCIProvider",
        module: "oci",
        family: "OCI",
        provider: "oci",
        is: &[("PRESET", "oci")],
        own: &[("CONFIG_URL", Discovery("DOMAIN")), ("AUDIENCE", Key("AUDIENCE"))],
        shared: PROXY,
    },
    Class {
        name: "AuthKitProvider",
        module: "workos",
        family: "AUTHKITPROVIDER",
        provider: "authkit",
        is: &[("PRESET", "workos"), ("MODE", "remote")],
        own: &[("AUTHKIT_DOMAIN", Host("AUTHKIT_DOMAIN"))],
        shared: REMOTE,
    },
    Class {
        name: "DescopeProvider",
        module: "descope",
        family: "DESCOPEPROVIDER",
        provider: "descope",
        is: &[("PRESET", "descope"), ("MODE", "remote")],
        own: &[
            ("PROJECT_ID", Key("PROJECT_ID")),
            ("DESCOPE_BASE_URL", Host("DOMAIN")),
            ("CONFIG_URL", Key("CONFIG_URL")),
        ],
        shared: REMOTE,
    },
    Class {
        name: "ScalekitProvider",
        module: "scalekit",
        family: "SCALEKITPROVIDER",
        provider: "scalekit",
        is: &[("PRESET", "scalekit"), ("MODE", "remote")],
        own: &[("ENVIRONMENT_URL", Key("ENVIRONMENT_URL")), ("RESOURCE_ID", Key("AUDIENCE")), ("MCP_URL", BaseUrl)],
        shared: REMOTE,
    },
    Class {
        name: "SupabaseProvider",
        module: "supabase",
        family: "SUPABASE",
        provider: "supabase",
        is: &[("PRESET", "supabase"), ("MODE", "remote")],
        own: &[
            ("PROJECT_URL", Key("PROJECT_URL")),
            (
                "AUTH_ROUTE",
                Nothing("/auth/v1", "write the whole discovery URL as VESTIBULE_CONFIG_URL, and remove PROJECT_URL"),
            ),
            ("ALGORITHM", Key("ALGORITHM")),
        ],
        shared: REMOTE,
    },
    Class {
        name: "JWTVerifier",
        module: "jwt",
        family: "JWT",
        provider: "jwt",
        is: &[("MODE", "remote")],
        own: &[
            ("JWKS_URI", Key("JWKS_URI")),
            ("ISSUER", Issuer),
            ("ALGORITHM", Key("ALGORITHM")),
            ("AUDIENCE", Key("AUDIENCE")),
            (
                "PUBLIC_KEY",
                Nothing("", "publish the key as a key set, and name that in FASTMCP_SERVER_AUTH_JWT_JWKS_URI"),
            ),
        ],
        shared: REMOTE,
    },
    Class {
        name: "IntrospectionTokenVerifier",
        module: "introspection",
        family: "INTROSPECTION",
        provider: "introspection",
        is: &[("MODE", "remote")],
        own: &[
            ("INTROSPECTION_URL", Key("INTROSPECTION_ENDPOINT")),
            ("CLIENT_ID", Key("INTROSPECTION_CLIENT_ID")),
            ("CLIENT_SECRET", Key("INTROSPECTION_CLIENT_SECRET")),
            TIMEOUT,
        ],
        shared: REMOTE,
    },
];

// === impl Class ===

impl Class {
    /// What one writes to name it.
    pub(super) fn path(&self) -> String {
        format!("fastmcp.server.auth.providers.{}.{}", self.module, self.name)
    }

    /// Its variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'static Variable> {
        self.own.iter().chain(self.shared)
    }
}
