//! A token for one route opens no other one: an `audience` that a route has for itself is nobody
//! else's.

use std::slice;

use super::{provider::Draft, report::Report};
use crate::config::{
    origin::{child, item},
    plan::{Mode, ProviderPlan, RoutePlan},
};

pub(super) fn check(drafts: &[Draft], report: &mut Report<'_>) {
    let providers = || drafts.iter().filter_map(|draft| draft.plan.as_ref());
    let routes: Vec<(&ProviderPlan, usize, &RoutePlan)> = providers()
        .flat_map(|provider| {
            provider.routes.iter().enumerate().map(move |(index, route)| (provider, index, route.as_ref()))
        })
        .collect();
    for (position, (provider, index, route)) in
        routes.iter().enumerate().filter(|(_, (provider, _, route))| is_own(provider, route))
    {
        let others = routes.iter().enumerate().filter(|(other, _)| *other != position);
        // Of two that say the same, the second one is told.
        let others = others.filter(|(other, (provider, _, route))| *other < position || !is_own(provider, route));
        let mut shared = others.filter_map(|(_, (_, _, other))| {
            let theirs =
                |audience: &&String| other.audiences.contains(audience) || other.resource.as_str() == **audience;
            route.audiences.iter().find(theirs).map(|audience| (audience, other.id.as_str()))
        });
        if let Some((audience, other)) = shared.next() {
            let at = child(&item(&child(&format!("providers.{}", provider.name), "routes"), *index), "audience");
            let diagnostic = report.error(
                &at,
                format!("is the audience of the route `{other}` too: tokens for one would be good for the other"),
            );
            diagnostic.offending(audience);
            match provider.mode {
                Mode::Remote => {
                    diagnostic.help("write another one; if that is meant, write it once, as the provider's `audience`")
                }
                Mode::Proxy => diagnostic.help("write another one, or remove it: it is the route's public URL then"),
            };
        }
    }
}

/// Whether a route has an audience that neither its provider nor its path gives it.
fn is_own(provider: &ProviderPlan, route: &RoutePlan) -> bool {
    let of_provider = match (&provider.access_tokens, provider.mode) {
        (Some(plan), Mode::Remote) => plan.audiences.as_slice(),
        _ => &[],
    };
    let by_path = route.resource.to_string();
    let given = if of_provider.is_empty() { slice::from_ref(&by_path) } else { of_provider };
    route.audiences != given
}
