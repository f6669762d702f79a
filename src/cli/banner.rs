//! What is mounted where, for the person who starts the program or checks a file: what to enter at
//! each provider, what clients type, where it goes.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use crate::config::{
    plan::{Mode, Plan, ProviderPlan, RoutePlan, StoragePlan},
    preset::Preset,
};

/// Columns of the labels.
const LABEL: usize = 18;

/// The plan as aligned, plain text that ends with a newline.
pub fn banner(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing into a `String` cannot fail.
    match write(&mut text, plan) {
        Ok(()) | Err(fmt::Error) => text,
    }
}

fn write(text: &mut String, plan: &Plan) -> fmt::Result {
    let origin = plan.public_url.origin().ascii_serialization();
    line(text, 0, "public URL", &origin)?;
    let tls = if plan.tls.is_some() { " (TLS)" } else { "" };
    line(text, 0, "listening on", &format!("{}{tls}", plan.listen))?;
    match plan.admin_listen {
        Some(address) => {
            line(text, 0, "admin", &format!("http://{address} (/metrics /healthz /readyz /status /config /reload)"))?;
        }
        None => line(text, 0, "admin", "off")?,
    }
    match &plan.storage {
        StoragePlan::Memory => line(text, 0, "storage", "memory (lost at the end of the process)")?,
        StoragePlan::Embedded { path } => line(text, 0, "storage", &path.display().to_string())?,
        StoragePlan::Redis(redis) => {
            line(
                text,
                0,
                "storage",
                &format!("{}, prefix {}", redis.urls().collect::<Vec<_>>().join(", "), redis.prefix),
            )?;
        }
    }
    plan.providers.iter().try_for_each(|provider| write_provider(text, provider))
}

fn write_provider(text: &mut String, provider: &Arc<ProviderPlan>) -> fmt::Result {
    let kind = if provider.is_choice() { "choice" } else { "provider" };
    writeln!(text, "\n{kind} {} (\"{}\") at {}", provider.name, provider.display_name, provider.mount)?;
    match provider.mode {
        Mode::Proxy => write_application(text, provider)?,
        Mode::Remote => {
            line(text, 2, "tokens from", &format!("{}  <- clients register and sign in there", provider.source()))?;
        }
    }
    provider.routes.iter().try_for_each(|route| write_route(text, route))
}

fn write_application(text: &mut String, provider: &Arc<ProviderPlan>) -> fmt::Result {
    for member in &provider.choice {
        writeln!(text, "  choose {} (\"{}\")", member.name, member.display_name)?;
        write_identity_provider(text, 4, member)?;
    }
    if !provider.is_choice() {
        write_identity_provider(text, 2, provider)?;
    }
    line(text, 2, "issuer", provider.issuer.as_str())?;
    line(text, 2, "metadata", &provider.issuer.metadata_url())
}

fn write_identity_provider(text: &mut String, indent: usize, provider: &ProviderPlan) -> fmt::Result {
    line(text, indent, "callback URL", &format!("{}  <- enter this at the provider", provider.callback_url))?;
    if let Some(preset) = Preset::named(provider.protocol.preset).filter(|preset| !preset.title.is_empty()) {
        line(text, indent, "there it is", preset.console)?;
    }
    let kind = if provider.client_secret.is_some() { "confidential" } else { "public" };
    let grants = if provider.offline_access { "authorization_code, refresh_token" } else { "authorization_code" };
    line(text, indent, "application", &format!("{kind}, grant types {grants}"))?;
    line(text, indent, "scopes", &provider.valid_scopes.to_string())?;
    line(text, indent, "sign-in from", provider.source())
}

fn write_route(text: &mut String, route: &RoutePlan) -> fmt::Result {
    writeln!(text, "  route {}", route.path)?;
    line(text, 4, "clients use", route.resource.as_str())?;
    line(text, 4, "backend", route.backend.url.as_str())?;
    line(text, 4, "metadata", &route.resource.metadata_url())
}

fn line(text: &mut String, indent: usize, label: &str, value: &str) -> fmt::Result {
    let width = LABEL.saturating_sub(indent);
    writeln!(text, "{:indent$}{label:width$}{value}", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;

    #[test]
    fn in_remote_mode_nothing_is_to_be_entered_at_the_provider() {
        let plan = from_yaml(
            r"
public_url: https://mcp.example.com
storage: memory
providers:
  own:
    mode: remote
    config_url: https://idp.example.com/.well-known/openid-configuration
    routes:
      - { path: /mcp, backend: 'http://127.0.0.1:3000/mcp' }
",
            &[],
        )
        .unwrap();
        insta::assert_snapshot!(banner(&plan));
    }

    #[test]
    fn of_a_choice_every_callback_is_shown() {
        let plan = from_yaml(
            r"
public_url: https://mcp.example.com
storage: memory
providers:
  entra:
    display_name: Microsoft
    config_url: https://entra.example.com/.well-known/openid-configuration
    client_id: abc
  google:
    display_name: Google
    config_url: https://accounts.google.com/.well-known/openid-configuration
    client_id: def
    client_secret: hunter2
    required_scopes: [openid, email]
  staff:
    choice: [entra, google]
    routes:
      - { path: /mcp, backend: 'http://127.0.0.1:3000/mcp', scopes: [mcp] }
",
            &[],
        )
        .unwrap();
        insta::assert_snapshot!(banner(&plan));
    }

    #[test]
    fn everything_that_is_mounted_is_shown() {
        let plan = from_yaml(
            r"
public_url: https://mcp.example.com
admin_listen: 127.0.0.1:9464
storage: memory
providers:
  auth0:
    preset: auth0
    mount: /
    config_url: https://example.eu.auth0.com/.well-known/openid-configuration
    client_id: abc
    client_secret: hunter2
    audience: https://api.example.com
    routes:
      - { path: /mcp, backend: 'http://127.0.0.1:3000/mcp' }
      - { path: /tools, backend: 'http://127.0.0.1:3001' }
  google:
    config_url: https://accounts.google.com/.well-known/openid-configuration
    client_id: def
    redirect_path: /cb
    routes:
      - { path: /, backend: 'http://127.0.0.1:3002' }
",
            &[],
        )
        .unwrap();
        insta::assert_snapshot!(banner(&plan));
    }
}
