//! The variables of FastMCP 2 describe the same gateway as a file here.

use vestibule::config::{self, Loaded, Sources, plan::Plan};

const ID: &str = "client_id: abc\n    client_secret: xyz";
const SCOPES: &str = "required_scopes: [openid, email]";

/// The class, what its variables begin with, those that only it has, and the provider's block here.
fn siblings() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let proxy = |name: &str, lines: &str| format!("  {name}:\n    {ID}\n    {SCOPES}\n    redirect_path: /cb\n{lines}");
    vec![
        (
            "auth0.Auth0Provider",
            "AUTH0",
            "CONFIG_URL=https://example.eu.auth0.com/.well-known/openid-configuration AUDIENCE=https://api.example.com",
            proxy(
                "auth0",
                "    preset: auth0\n    domain: example.eu.auth0.com\n    audience: https://api.example.com\n",
            ),
        ),
        (
            "azure.AzureProvider",
            "AZURE",
            "TENANT_ID=3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11 IDENTIFIER_URI=api://tools BASE_AUTHORITY=login.microsoftonline.us ADDITIONAL_AUTHORIZE_SCOPES=User.Read TIMEOUT_SECONDS=20",
            proxy(
                "azure",
                "    preset: entra\n    tenant_id: 3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11\n    identifier_uri: api://tools\n    base_authority: login.microsoftonline.us\n    additional_authorize_scopes: [User.Read]\n    timeout_seconds: 20\n",
            ),
        ),
        (
            "google.GoogleProvider",
            "GOOGLE",
            "TIMEOUT_SECONDS=20",
            proxy("google", "    preset: google\n    timeout_seconds: 20\n"),
        ),
        ("github.GitHubProvider", "GITHUB", "", proxy("github", "    preset: github\n")),
        ("discord.DiscordProvider", "DISCORD", "", proxy("discord", "    preset: discord\n")),
        (
            "workos.WorkOSProvider",
            "WORKOS",
            "AUTHKIT_DOMAIN=https://example.authkit.app/",
            proxy("workos", "    preset: workos\n    authkit_domain: example.authkit.app\n"),
        ),
        (
            "aws.AWSCognitoProvider",
            "AWS_COGNITO",
            "USER_POOL_ID=eu-central-1_Ab1Cd2Ef3 AWS_REGION=eu-central-1",
            proxy("cognito", "    preset: cognito\n    user_pool_id: eu-central-1_Ab1Cd2Ef3\n"),
        ),
        (
            "oci.OCIProvider",
            "OCI",
            "CONFIG_URL=https://idcs-1.identity.oraclecloud.com/.well-known/openid-configuration AUDIENCE=urn:api",
            proxy("oci", "    preset: oci\n    domain: idcs-1.identity.oraclecloud.com\n    audience: urn:api\n"),
        ),
    ]
}

fn load(pairs: &[(&str, &str)]) -> Loaded {
    let environment = pairs.iter().copied().collect();
    config::load(&Sources { environment, ..Sources::default() }).unwrap_or_else(|found| panic!("{found}"))
}

fn plan(providers: &str) -> Plan {
    let text = format!("public_url: https://mcp.example.com\nproviders:\n{providers}");
    config::from_yaml(&text, &[]).unwrap_or_else(|found| panic!("{found}\n{text}"))
}

#[test]
fn every_class_with_a_fixed_application_is_understood() {
    for (class, family, own, block) in siblings() {
        let mut pairs = vec![
            ("FASTMCP_SERVER_AUTH".to_owned(), format!("fastmcp.server.auth.providers.{class}")),
            ("VESTIBULE_BACKEND".to_owned(), "http://127.0.0.1:3000/mcp".to_owned()),
        ];
        let shared = "CLIENT_ID=abc CLIENT_SECRET=xyz BASE_URL=https://mcp.example.com/ ISSUER_URL=https://mcp.example.com REDIRECT_PATH=cb REQUIRED_SCOPES=openid,email";
        for (suffix, value) in shared.split(' ').chain(own.split(' ')).filter_map(|pair| pair.split_once('=')) {
            pairs.push((format!("FASTMCP_SERVER_AUTH_{family}_{suffix}"), value.to_owned()));
        }
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let routes = "    routes: [{ path: /mcp, backend: 'http://127.0.0.1:3000/mcp' }]\n";
        assert_eq!(load(&pairs).plan, plan(&format!("{block}{routes}")), "{class}");
    }
}

/// The provider registers clients itself: `mode: remote`.
#[test]
fn every_class_without_an_application_is_understood() {
    for (class, variables, block) in [
        (
            "workos.AuthKitProvider",
            "AUTHKITPROVIDER_AUTHKIT_DOMAIN=https://example.authkit.app",
            "preset: workos, authkit_domain: example.authkit.app",
        ),
        (
            "descope.DescopeProvider",
            "DESCOPEPROVIDER_PROJECT_ID=P2abc DESCOPEPROVIDER_DESCOPE_BASE_URL=https://auth.example.com/",
            "preset: descope, project_id: P2abc, domain: auth.example.com",
        ),
        (
            "scalekit.ScalekitProvider",
            "SCALEKITPROVIDER_ENVIRONMENT_URL=https://example.scalekit.com SCALEKITPROVIDER_RESOURCE_ID=res_1",
            "preset: scalekit, environment_url: 'https://example.scalekit.com', audience: res_1",
        ),
        (
            "supabase.SupabaseProvider",
            "SUPABASE_PROJECT_URL=https://abc.supabase.co SUPABASE_AUTH_ROUTE=/auth/v1 SUPABASE_ALGORITHM=ES256",
            "preset: supabase, project_url: 'https://abc.supabase.co', algorithm: [ES256]",
        ),
        (
            "jwt.JWTVerifier",
            "JWT_JWKS_URI=https://idp.example.com/keys JWT_ISSUER=https://idp.example.com JWT_AUDIENCE=urn:api JWT_ALGORITHM=ES256",
            "jwks_uri: 'https://idp.example.com/keys', issuer: 'https://idp.example.com', config_url: 'https://idp.example.com/.well-known/openid-configuration', audience: 'urn:api', algorithm: [ES256]",
        ),
        (
            "introspection.IntrospectionTokenVerifier",
            "INTROSPECTION_INTROSPECTION_URL=https://idp.example.com/introspect INTROSPECTION_CLIENT_ID=gate INTROSPECTION_CLIENT_SECRET=xyz",
            "introspection: { endpoint: 'https://idp.example.com/introspect', client_id: gate, client_secret: xyz }, config_url: 'https://idp.example.com/.well-known/openid-configuration'",
        ),
    ] {
        let (family, _) = variables.split_once('_').unwrap();
        let base = format!("FASTMCP_SERVER_AUTH_{family}_BASE_URL");
        let path = format!("fastmcp.server.auth.providers.{class}");
        let mut pairs = vec![
            ("FASTMCP_SERVER_AUTH".to_owned(), path),
            (base, "https://mcp.example.com".to_owned()),
            ("VESTIBULE_BACKEND".to_owned(), "http://127.0.0.1:3000/mcp".to_owned()),
        ];
        if family == "INTROSPECTION" {
            // FastMCP tells clients of no authorization server there; we do.
            pairs.push((
                "VESTIBULE_CONFIG_URL".to_owned(),
                "https://idp.example.com/.well-known/openid-configuration".to_owned(),
            ));
        }
        for (suffix, value) in variables.split(' ').filter_map(|pair| pair.split_once('=')) {
            pairs.push((format!("FASTMCP_SERVER_AUTH_{suffix}"), value.to_owned()));
        }
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let name = load(&pairs).plan.providers[0].name.clone();
        let routes = "routes: [{ path: /mcp, backend: 'http://127.0.0.1:3000/mcp' }]";
        let expected = plan(&format!("  {name}: {{ mode: remote, {block}, {routes} }}\n"));
        assert_eq!(load(&pairs).plan, expected, "{class}");
    }
}

const AUTH0: [(&str, &str); 7] = [
    ("FASTMCP_SERVER_AUTH", "fastmcp.server.auth.providers.auth0.Auth0Provider"),
    ("FASTMCP_SERVER_AUTH_AUTH0_CONFIG_URL", "https://example.eu.auth0.com/.well-known/openid-configuration"),
    ("fastmcp_server_auth_auth0_client_id", "abc"),
    ("FastMCP_Server_Auth_Auth0_Client_Secret", "xyz"),
    ("FASTMCP_SERVER_AUTH_AUTH0_AUDIENCE", "https://api.example.com"),
    ("FASTMCP_SERVER_AUTH_AUTH0_BASE_URL", "https://example.com/api"),
    ("VESTIBULE_BACKEND", "http://127.0.0.1:3000/mcp"),
];

/// FastMCP takes a JSON list only; `[]` is nowhere, with a warning.
#[test]
fn redirect_patterns_are_read_as_fastmcp_does() {
    const NAME: &str = "FASTMCP_SERVER_AUTH_AUTH0_ALLOWED_CLIENT_REDIRECT_URIS";
    let read = |value: &'static str| load(&[AUTH0.as_slice(), &[(NAME, value)]].concat());
    let patterns = |loaded: &Loaded| loaded.plan.providers[0].allowed_client_redirect_uris.clone();
    let loaded = read(r#"["http://localhost:*", "https://*.example.com/cb"]"#);
    let texts: Vec<String> = patterns(&loaded).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["http://localhost:*", "https://*.example.com/cb"]);
    assert!(loaded.notes.is_empty(), "{}", loaded.notes);
    let nowhere = read("[]");
    assert_eq!(patterns(&nowhere).map(|patterns| patterns.len()), Some(0));
    assert!(nowhere.notes.to_string().contains(NAME), "{}", nowhere.notes);
    assert_eq!(patterns(&read("")), None);
}

/// The base of the endpoints and the issuer are two things; the issuer's host is answered.
#[test]
fn an_issuer_url_is_another_name() {
    let loaded =
        load(&[AUTH0.as_slice(), &[("FASTMCP_SERVER_AUTH_AUTH0_ISSUER_URL", "https://login.example.com/")]].concat());
    let provider = &loaded.plan.providers[0];
    assert_eq!(provider.issuer.as_str(), "https://login.example.com");
    assert_eq!(provider.issuer.endpoint("/token"), "https://example.com/api/token");
    assert_eq!(provider.routes[0].resource.as_str(), "https://example.com/api/mcp");
    assert_eq!(loaded.plan.allowed_hosts, ["login.example.com"]);
    assert!(loaded.notes.is_empty(), "{}", loaded.notes);
}

/// In any case of letters, with a path in the base URL; general settings are not ours.
#[test]
fn names_and_paths_are_read_as_fastmcp_does() {
    let more = [
        ("FASTMCP_LOG_LEVEL", "DEBUG"),
        ("FASTMCP_SERVER_AUTH_AUTH0_REQUIRED_SCOPES", ""),
        ("FASTMCP_SERVER_AUTH_AUTH0_JWT_SIGNING_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    let loaded = load(&[AUTH0.as_slice(), &more].concat());
    assert!(loaded.notes.is_empty(), "{}", loaded.notes);
    let plan = loaded.plan;
    assert_eq!(plan.public_url.as_str(), "https://example.com/");
    assert_eq!(plan.providers[0].issuer.as_str(), "https://example.com/api");
    assert_eq!(plan.providers[0].callback_url.as_str(), "https://example.com/api/auth/callback");
    assert!(plan.root_secrets[0].matches("0123456789abcdef0123456789abcdef"));
    let origin = |path: &str| loaded.origins.of(path).to_string();
    assert_eq!(origin("providers.auth0.client_id"), "fastmcp_server_auth_auth0_client_id");
    assert_eq!(origin("public_url"), "FASTMCP_SERVER_AUTH_AUTH0_BASE_URL");
    assert_eq!(origin("providers.auth0.mount"), "FASTMCP_SERVER_AUTH_AUTH0_BASE_URL");
    assert_eq!(origin("providers.auth0.preset"), "FASTMCP_SERVER_AUTH");
    assert_eq!(origin("secret"), "FASTMCP_SERVER_AUTH_AUTH0_JWT_SIGNING_KEY");
}

#[test]
fn our_variables_win() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "from-a-file\n").unwrap();
    let more = [
        ("VESTIBULE_CLIENT_ID", "ours"),
        ("VESTIBULE_AUTH0_CLIENT_SECRET_FILE", secret.to_str().unwrap()),
        ("VESTIBULE_PUBLIC_URL", "https://ours.example.com"),
        ("VESTIBULE_MOUNT", "/"),
    ];
    let plan = load(&[AUTH0.as_slice(), &more].concat()).plan;
    let provider = &plan.providers[0];
    assert_eq!((provider.client_id.as_str(), provider.issuer.as_str()), ("ours", "https://ours.example.com"));
    assert!(provider.client_secret.as_ref().unwrap().matches("from-a-file"));
}

/// Somebody else's variables in the same environment change nothing, but one is told.
#[test]
fn what_is_not_chosen_is_told_and_not_used() {
    let notes = |pairs: &[(&str, &str)]| load(pairs).notes.to_string();
    let told = notes(&[AUTH0.as_slice(), &[("FASTMCP_SERVER_AUTH_GOOGLE_CLIENT_ID", "x")]].concat());
    assert!(
        told.contains(
            "FASTMCP_SERVER_AUTH_GOOGLE_CLIENT_ID: note: is not used: FASTMCP_SERVER_AUTH names Auth0Provider"
        ),
        "{told}"
    );
    let ours = [
        ("VESTIBULE_PUBLIC_URL", "https://mcp.example.com"),
        ("VESTIBULE_MAIN_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
        ("VESTIBULE_MAIN_CLIENT_ID", "abc"),
    ];
    let told = notes(&[AUTH0.as_slice(), &ours].concat());
    assert!(
        told.contains("FASTMCP_SERVER_AUTH: note: is not used: VESTIBULE_… variables describe other providers"),
        "{told}"
    );
    let told = notes(&[&AUTH0[1..], &ours].concat());
    assert!(told.contains("is not used: FASTMCP_SERVER_AUTH names no provider"), "{told}");
}

/// What `Auth0Provider`, `OIDCProxy` and `OAuthProxy` take in FastMCP 4.
const PARAMETERS: [&str; 37] = [
    "service_documentation_url",
    "config_url",
    "strict",
    "client_id",
    "client_secret",
    "upstream_client_id",
    "upstream_client_secret",
    "upstream_authorization_endpoint",
    "upstream_token_endpoint",
    "upstream_revocation_endpoint",
    "audience",
    "algorithm",
    "token_verifier",
    "verify_id_token",
    "required_scopes",
    "valid_scopes",
    "base_url",
    "issuer_url",
    "resource_base_url",
    "redirect_path",
    "allowed_client_redirect_uris",
    "token_endpoint_auth_method",
    "extra_authorize_params",
    "extra_token_params",
    "forward_pkce",
    "forward_resource",
    "require_authorization_consent",
    "consent_csp_policy",
    "enable_cimd",
    "identity_assertion",
    "client_storage",
    "jwt_signing_key",
    "timeout_seconds",
    "fastmcp_access_token_expiry_seconds",
    "fallback_access_token_expiry_seconds",
    "fallback_refresh_token_expiry_seconds",
    "token_expiry_threshold_seconds",
];

/// The page answers each parameter with a key that exists, or says that there is none.
#[test]
fn every_parameter_is_answered() {
    let page = std::fs::read_to_string("docs/from-fastmcp.md").unwrap();
    let known = vestibule::config::document::keys::all();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?, cells.next()?))
    });
    let rows: Vec<_> = rows.collect();
    for parameter in PARAMETERS {
        let named = format!("`{parameter}`");
        let row = rows.iter().find(|(names, _)| names.split(", ").any(|name| name == named));
        let (_, answer) = row.unwrap_or_else(|| panic!("no row for {parameter}"));
        let keys: Vec<&str> = answer.split('`').skip(1).step_by(2).collect();
        assert_eq!(keys.is_empty(), *answer == "none", "{parameter}: {answer}");
        for key in keys {
            assert!(known.iter().any(|path| path.rsplit('.').next() == Some(key)), "{parameter}: {key}");
        }
        // The same name, where there is one, means the same.
        assert!(!known.contains(&format!("providers.<name>.{parameter}")) || answer.contains(&named), "{parameter}");
    }
}
