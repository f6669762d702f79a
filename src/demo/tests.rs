//! The demo as a whole, without the gateway: what it would serve and what it prints.

use std::net::TcpListener;

use super::*;

#[tokio::test]
async fn taken_ports_are_replaced_and_it_says_so() {
    let [first, second] = [0, 0].map(|port| TcpListener::bind((ADDRESS, port)).unwrap());
    let [port, admin_port] = [&first, &second].map(|listener| listener.local_addr().unwrap().port());
    let serve = async |plan: Plan, instructions: Instructions| (plan, instructions);
    let (plan, instructions) = run(Options { port, admin_port }, serve).await.unwrap();
    assert_ne!(plan.listen.port(), port);
    assert_ne!(plan.admin_listen.unwrap().port(), admin_port);
    let text = instructions.to_string();
    assert!(
        text.contains(&format!("Port {port} is in use, so the gateway is on port {}.", plan.listen.port())),
        "{text}"
    );
    assert!(text.contains(&format!("curl -i {}", plan.providers[0].routes[0].resource)), "{text}");
}

/// Nothing of the demo can be reached from another machine, and it keeps nothing.
#[tokio::test]
async fn everything_is_on_loopback_and_in_memory() {
    assert!(ADDRESS.is_loopback());
    let serve = async |plan: Plan, instructions: Instructions| {
        let provider = &plan.providers[0];
        let discovery: serde_json::Value =
            reqwest::Client::new().get(provider.source()).send().await.unwrap().json().await.unwrap();
        assert_eq!(
            format!("{}/.well-known/openid-configuration", discovery["issuer"].as_str().unwrap()),
            provider.source()
        );
        (plan, instructions)
    };
    let options = Options { port: 0, admin_port: 0 };
    let (first, instructions) = run(options, serve).await.unwrap();
    let (second, _) = run(options, serve).await.unwrap();
    for plan in [&first, &second] {
        assert!(plan.listen.ip().is_loopback() && plan.admin_listen.unwrap().ip().is_loopback());
        assert_eq!(plan.storage, crate::config::plan::StoragePlan::Memory);
        let provider = &plan.providers[0];
        assert_eq!(provider.routes[0].identity_headers, plan::identity_headers());
        assert_eq!(provider.mount, "/");
        let config_url = provider.config_url.as_ref().unwrap();
        for url in [&plan.public_url, config_url, &provider.callback_url, &provider.routes[0].backend.url] {
            assert_eq!(url.host_str(), Some("127.0.0.1"), "{url}");
        }
    }
    assert!(!instructions.to_string().contains("in use"));
    assert_ne!(first.root_secrets, second.root_secrets);
    assert_ne!(first.providers[0].client_secret, second.providers[0].client_secret);
    assert_eq!(instructions.mcp_url(), first.providers[0].routes[0].resource.as_str());
    let gone = reqwest::Client::new().get(first.providers[0].source()).send().await;
    assert!(gone.is_err(), "the identity provider outlived the demo");
}
