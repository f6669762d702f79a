use super::{
    outcome::{Callback, ClientType, Consent, Fault, ProviderEndpoint},
    *,
};

/// The text without what differs from run to run.
fn steady(metrics: &Metrics, format: Format) -> String {
    let text = metrics.render_as(format);
    let varies = |line: &str| line.contains("process_") || line.contains("vestibule_build_info{");
    text.split_inclusive('\n').filter(|line| !varies(line)).collect()
}

/// The lines that are no comments.
fn series(metrics: &Metrics) -> Vec<String> {
    let text = steady(metrics, Format::Text);
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// What a small instance shows before anybody came.
#[test]
fn the_exposition_is_as_agreed() {
    let metrics = Metrics::new().unwrap();
    let _handles = (metrics.provider("auth0"), metrics.route("auth0/mcp"));
    insta::assert_snapshot!(steady(&metrics, Format::Text));
}

/// The same in both formats, but for how they are written.
#[test]
fn both_formats_say_the_same() {
    let metrics = Metrics::new().unwrap();
    let provider = metrics.provider("auth0");
    provider.callback(Callback::Ok);
    provider.login(Callback::Ok, Some(Duration::from_secs(3)));
    provider.provider_request(ProviderEndpoint::Token, "200", Duration::from_millis(70));
    let text = steady(&metrics, Format::Text);
    let open = steady(&metrics, Format::OpenMetrics);
    assert!(open.ends_with("# EOF\n"));
    let samples =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let alike: Vec<String> = samples(&open).into_iter().map(|line| line.replace(".0\"}", "\"}")).collect();
    let alike_text: Vec<String> = samples(&text).into_iter().map(|line| line.replace(".0\"}", "\"}")).collect();
    assert_eq!(alike, alike_text);
    assert!(open.contains("# TYPE vestibule_auth_callbacks counter\nvestibule_auth_callbacks_total{"), "{open}");
    assert!(open.contains("le=\"1.0\"}"), "{open}");
    for declared in open.lines().filter(|line| line.starts_with("# TYPE") && line.ends_with(" counter")) {
        assert!(!declared.contains("_total "), "{declared}");
    }
}

/// Every series of a provider and of a route goes with it, whatever happened to it before.
#[test]
fn nothing_is_left_of_what_was_removed() {
    let metrics = Metrics::new().unwrap();
    let before = series(&metrics);
    let provider = metrics.provider("auth0");
    provider.callback(Callback::Ok);
    provider.login(Callback::Ok, Some(Duration::from_secs(3)));
    provider.idp_error("token", "invalid_grant");
    provider.discovery(outcome::Refresh::Ok, 7);
    provider.jwks(outcome::JwksTrigger::Startup, outcome::Refresh::Ok, 7, 2);
    provider.provider_request(ProviderEndpoint::Token, "200", Duration::from_millis(70));
    let route = metrics.route("auth0/mcp");
    route.http().request(&::http::Method::GET, ::http::StatusCode::OK, Some(Duration::ZERO));
    drop(route.stream(outcome::StreamKind::Sse));
    assert!(metrics.render().contains("auth0"));
    metrics.remove_provider("auth0");
    metrics.remove_route("auth0/mcp");
    assert_eq!(series(&metrics), before);
}

/// What was under way when its provider or route was removed brings no series back, whatever it counts; and it
/// takes none from whoever has the name next.
#[test]
fn what_is_still_under_way_brings_no_series_back() {
    let metrics = Metrics::new().unwrap();
    let before = series(&metrics);
    let (provider, route) = (metrics.provider("auth0"), metrics.route("auth0/mcp"));
    metrics.remove_provider("auth0");
    metrics.remove_route("auth0/mcp");
    let count = |provider: &ProviderMetrics, route: &RouteMetrics| {
        provider.callback(Callback::Ok);
        provider.login(Callback::Ok, Some(Duration::from_secs(3)));
        provider.flows_in_progress(1);
        provider.provider_request(ProviderEndpoint::Token, "200", Duration::from_millis(70));
        route.http().request(&::http::Method::POST, ::http::StatusCode::CREATED, Some(Duration::ZERO));
        drop(route.stream(outcome::StreamKind::Sse));
    };
    count(&provider, &route);
    assert_eq!(series(&metrics), before);
    let next = (metrics.provider("auth0"), metrics.route("auth0/mcp"));
    count(&provider, &route);
    count(&next.0, &next.1);
    drop((provider, route));
    let one = "vestibule_auth_callbacks_total{fault=\"none\",outcome=\"ok\",provider=\"auth0\"} 1";
    assert!(metrics.render().contains(one), "{}", metrics.render());
}

/// A configuration that was built and not used leaves no series, and takes none from the one that runs.
#[test]
fn handles_that_nobody_has_leave_no_series() {
    let metrics = Metrics::new().unwrap();
    let before = series(&metrics);
    let runs = (metrics.provider("auth0"), metrics.route("auth0/mcp"));
    let with = series(&metrics);
    drop((
        metrics.provider("auth0"),
        metrics.provider("other"),
        metrics.route("auth0/mcp"),
        metrics.http("other:token"),
    ));
    assert_eq!(series(&metrics), with);
    drop(runs);
    assert_eq!(series(&metrics), before);
}

/// The numbers that a Prometheus has to keep for one replica; docs/metrics.md tells them.
#[test]
fn the_number_of_series_is_bounded() {
    let series = |providers: usize, routes: usize| {
        let metrics = Metrics::new().unwrap();
        let _providers: Vec<_> = (0..providers).map(|index| metrics.provider(&format!("provider-{index}"))).collect();
        let _routes: Vec<_> = (0..routes).map(|index| metrics.route(&format!("provider-0/route-{index}"))).collect();
        steady(&metrics, Format::Text).lines().filter(|line| !line.starts_with('#')).count()
    };
    let (none, one, five) = (series(0, 0), series(1, 1), series(5, 20));
    assert!(none <= 120, "{none} series without a provider");
    assert!(one - none <= 600, "{} series more with a provider and a route", one - none);
    assert!(five <= 3_500, "{five} series with 5 providers and 20 routes");
}

/// The same with traffic of every kind: each outcome, each of the provider's endpoints with each kind of answer,
/// and on each route and endpoint of ours the methods and statuses that MCP and OAuth clients cause.
#[test]
fn the_number_of_series_is_bounded_with_traffic_of_every_kind() {
    const METHODS: [::http::Method; 4] =
        [::http::Method::GET, ::http::Method::POST, ::http::Method::DELETE, ::http::Method::OPTIONS];
    const STATUSES: [u16; 8] = [200, 202, 204, 400, 401, 403, 404, 502];
    const OWN_ENDPOINTS: usize = 9;
    let traffic = |http: &HttpMetrics| {
        for (method, status) in METHODS.iter().flat_map(|method| STATUSES.map(|status| (method, status))) {
            http.request(method, ::http::StatusCode::from_u16(status).unwrap(), Some(Duration::ZERO));
        }
    };
    let series = |providers: usize, routes: usize| {
        let metrics = Metrics::new().unwrap();
        let mut handles = Vec::new();
        for name in (0..providers).map(|index| format!("provider-{index}")) {
            let provider = metrics.provider(&name);
            busy(&provider);
            let own: Vec<_> =
                (0..OWN_ENDPOINTS).map(|endpoint| metrics.http(&format!("{name}:endpoint-{endpoint}"))).collect();
            own.iter().for_each(traffic);
            let routes: Vec<_> = (0..routes).map(|index| metrics.route(&format!("{name}/route-{index}"))).collect();
            for route in &routes {
                traffic(route.http());
                for outcome in outcome::Backend::ALL {
                    route.backend(*outcome);
                }
                for kind in outcome::StreamKind::ALL {
                    drop(route.stream(*kind));
                }
                route.backend_head(Duration::ZERO);
            }
            handles.push((provider, own, routes));
        }
        let count = steady(&metrics, Format::Text).lines().filter(|line| !line.starts_with('#')).count();
        drop(handles);
        count
    };
    let (one, two, more) = (series(1, 0), series(2, 0), series(1, 1));
    let (provider, route) = (two - one, more - one);
    // As docs/metrics.md says.
    assert!(provider <= 1_550, "{provider} series a provider");
    assert!(route <= 125, "{route} series a route");
    assert!(one - provider <= 250, "{} series of the process", one - provider);
    assert_eq!(series(20, 4), one + 19 * provider + 80 * route, "they add up, and nothing else grows");
}

/// Every outcome of everything that a provider counts.
fn busy(provider: &ProviderMetrics) {
    use outcome::{
        Authorize, Credential, Denial, GrantType, JwksTrigger, ProviderRefresh, Refresh, RefreshReuse, Registration,
        RegistrationMethod, Revocation, RevocationInitiator, TokenRequest, TokenType, Verification,
    };
    for client in ClientType::ALL {
        for outcome in Authorize::ALL {
            provider.authorize(*client, *outcome);
        }
    }
    for action in Consent::ALL {
        provider.consent(*action);
    }
    provider.idp_redirect();
    for outcome in Callback::ALL {
        provider.callback(*outcome);
        provider.login(*outcome, Some(Duration::ZERO));
    }
    for endpoint in ["authorize", "token"] {
        for error in ["invalid_request", "invalid_client", "invalid_grant", "access_denied", "server_error", "made up"]
        {
            provider.idp_error(endpoint, error);
        }
    }
    for rule in Denial::ALL {
        provider.denied(*rule);
    }
    for grant in GrantType::ALL {
        for outcome in TokenRequest::ALL {
            provider.token_request(*grant, *outcome, Duration::ZERO);
        }
        for token in TokenType::ALL {
            provider.token_issued(*grant, *token);
        }
    }
    for action in RefreshReuse::ALL {
        provider.refresh_reuse(*action);
    }
    for outcome in ProviderRefresh::ALL {
        provider.provider_refresh(*outcome);
    }
    for initiator in RevocationInitiator::ALL {
        for outcome in Revocation::ALL {
            provider.revocation(*initiator, *outcome);
        }
    }
    for method in RegistrationMethod::ALL {
        for outcome in Registration::ALL {
            provider.registration(*method, *outcome);
        }
    }
    for credential in Credential::ALL {
        for outcome in Verification::ALL {
            provider.verification(*credential, *outcome);
        }
        provider.verification_duration(*credential, Duration::ZERO);
    }
    for endpoint in ProviderEndpoint::ALL {
        for result in ["200", "400", "401", "403", "429", "500", "502", "503", "timeout", "connect_error", "too_large"]
        {
            provider.provider_request(*endpoint, result, Duration::ZERO);
        }
    }
    provider.sessions_active(1);
    provider.flows_in_progress(1);
    provider.ready(true);
    for outcome in Refresh::ALL {
        provider.discovery(*outcome, 7);
        for trigger in JwksTrigger::ALL {
            provider.jwks(*trigger, *outcome, 7, 2);
        }
    }
}

/// Labels that follow from requests are closed sets: what a client makes up is never a value.
#[test]
fn open_labels_come_from_the_configuration_or_are_bounded() {
    const OPEN: [&str; 13] = [
        "provider", "route", "backend", "endpoint", "error", "result", "code", "sha256", "name", "version", "revision",
        "rustc", "fault",
    ];
    for family in FAMILIES {
        for label in family.labels.iter().filter(|label| label.values.is_empty()) {
            assert!(OPEN.contains(&label.name), "{} of {} is an open label", label.name, family.name);
        }
    }
}

#[test]
fn outcomes_exist_at_zero_and_count() {
    let metrics = Metrics::new().unwrap();
    let provider = metrics.provider("auth0");
    let line = |count: u8| {
        format!("vestibule_auth_callbacks_total{{fault=\"none\",outcome=\"ok\",provider=\"auth0\"}} {count}\n")
    };
    assert!(metrics.render().contains(&line(0)));
    provider.callback(Callback::Ok);
    provider.login(Callback::Ok, Some(Duration::from_secs(3)));
    assert!(metrics.render().contains(&line(1)));
    provider.consent(Consent::Shown);
    provider.authorize(ClientType::Dynamic, outcome::Authorize::Ok);
    assert_eq!(Callback::Ok.fault(), Fault::None);
    for outcome in Callback::ALL {
        let series = format!(
            "vestibule_auth_logins_total{{fault=\"{}\",outcome=\"{}\",provider=\"auth0\"}}",
            outcome.fault().as_str(),
            outcome.as_str()
        );
        assert_eq!(metrics.render().matches(&series).count(), 1, "{series}");
    }
}

#[test]
fn what_runs_is_counted_down_again() {
    let metrics = Metrics::new().unwrap();
    let route = metrics.route("auth0/mcp");
    let open = route.http().in_flight();
    assert!(metrics.render().contains("vestibule_http_requests_in_flight{route=\"auth0/mcp\"} 1"));
    drop(open);
    assert!(metrics.render().contains("vestibule_http_requests_in_flight{route=\"auth0/mcp\"} 0"));
}
