//! Clients that are written in the configuration.

use super::{
    report::Report,
    server::list,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::Client,
        origin::{child, item},
        plan::StaticClient,
    },
    oauth::{ClientId, RedirectUri},
};

/// What the identifiers of dynamic clients begin with.
const DYNAMIC: &str = "dyn_";

pub(super) fn compile(path: &str, clients: &[Client], report: &mut Report<'_>) -> Vec<StaticClient> {
    let mut plans: Vec<StaticClient> = Vec::new();
    for (index, client) in clients.iter().enumerate() {
        let path = item(path, index);
        let Some(plan) = one(&path, client, report) else { continue };
        if plans.iter().any(|known| known.client_id == plan.client_id) {
            report
                .error(&child(&path, "client_id"), "is already there")
                .offending(plan.client_id.as_str())
                .help("give each client an identifier of its own");
        }
        plans.push(plan);
    }
    plans
}

fn one(path: &str, client: &Client, report: &mut Report<'_>) -> Option<StaticClient> {
    let id_path = child(path, "client_id");
    let client_id = client.client_id.as_ref().and_then(|text| report.read(&id_path, text, identifier));
    if client.client_id.is_none() {
        report.missing(&id_path, "my-client");
    }
    let secret = client.secret.as_ref().map(|source| report.secret(&child(path, "secret"), source));
    let uris_path = child(path, "redirect_uris");
    let redirect_uris = list(&uris_path, client.redirect_uris.as_ref(), report, |text| {
        RedirectUri::parse(text).map_err(|error| {
            Refusal::new(
                format!("cannot be used: {error}"),
                "write `https://client.example.com/callback` or `http://127.0.0.1/callback`",
            )
        })
    });
    match &client.redirect_uris {
        None => report.missing(&uris_path, "[https://client.example.com/callback]"),
        Some(list) if value::items(list).is_ok_and(|items| items.is_empty()) => {
            report.error(&uris_path, "is empty").help("write at least one: `[https://client.example.com/callback]`");
        }
        Some(_) => {}
    }
    let skip_consent = report.scalar(&child(path, "skip_consent"), client.skip_consent.as_ref(), false, value::switch);
    let client_id = client_id?;
    let name = client.name.clone().filter(|name| !name.trim().is_empty());
    Some(StaticClient {
        name: name.unwrap_or_else(|| client_id.to_string()),
        client_id,
        secret: match secret {
            Some(secret) => Some(secret?),
            None => None,
        },
        redirect_uris,
        skip_consent,
    })
}

fn identifier(text: &str) -> Result<ClientId, Refusal> {
    let id =
        ClientId::parse(text).map_err(|error| Refusal::new(format!("cannot be used: {error}"), "write `my-client`"))?;
    if id.is_url() {
        let help = "remove this client: a document's client needs no configuration; or choose another identifier";
        return Err(Refusal::new("would be read as a client ID metadata document", help));
    }
    if text.starts_with(DYNAMIC) {
        return Err(Refusal::new(
            "begins like the identifier of a client that registered itself",
            "choose another identifier",
        ));
    }
    Ok(id)
}
