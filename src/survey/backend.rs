//! One backend: does anybody answer there?

use std::time::{Duration, Instant};

use http::Request;

use super::finding::{Finding, Subject};
use crate::{
    config::plan::{Plan, RoutePlan},
    egress::{Egress, EgressError},
};

/// A `HEAD` that takes longer says nothing more.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each backend once, with the routes that lead to it.
pub(super) fn all(plan: &Plan) -> Vec<(String, &RoutePlan)> {
    let mut found: Vec<(String, &RoutePlan)> = Vec::new();
    for route in plan.providers.iter().flat_map(|provider| &provider.routes) {
        match found.iter_mut().find(|(_, known)| known.backend.url == route.backend.url) {
            Some((routes, _)) => routes.extend([", ", route.path.as_str()]),
            None => found.push((route.path.clone(), route)),
        }
    }
    found
}

/// Whether it answers. It may be started later, so nothing here is an error.
pub(super) async fn survey(routes: String, route: &RoutePlan) -> Subject {
    let url = &route.backend.url;
    let deadline = route.backend.connect_timeout + route.backend.response_timeout.min(PATIENCE);
    let begin = Instant::now();
    let finding = match head(url.as_str(), deadline).await {
        Ok(status) if status.is_server_error() => {
            Finding::warning("reachable", format!("answers with {status}"), "look into the server's log")
        }
        Ok(status) if status == http::StatusCode::UNAUTHORIZED || status == http::StatusCode::FORBIDDEN => {
            let help = "if it wants the provider's token, write `backend_authorization: provider_token`; else nothing";
            Finding::warning("reachable", format!("answers with {status}: it wants credentials of its own"), help)
        }
        // Whatever it thinks of HEAD.
        Ok(status) => Finding::ok("reachable", format!("answered with {status} in {} ms", begin.elapsed().as_millis())),
        Err(error) => {
            let host = url.host_str().unwrap_or_default();
            let help = match &error {
                EgressError::Tls(_) => {
                    format!("is the certificate of {host} valid, and its root known here (SSL_CERT_FILE)?")
                }
                _ => format!("start the server, or correct `backend`; is `{host}` the right name from here?"),
            };
            Finding::warning("reachable", error.to_string(), help)
        }
    };
    Subject { name: routes, url: url.to_string(), findings: vec![finding], enter: Vec::new() }
}

async fn head(url: &str, deadline: Duration) -> Result<http::StatusCode, EgressError> {
    // Plain http is usual behind a gateway.
    let egress = Egress::for_provider(deadline, true)?;
    Ok(egress.send(Request::head(url).body(Vec::new())?).await?.status())
}
