//! The password at Redis is replaced while the gateway runs: a real server, whose user it is.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    client::{Client, Tokens},
    servers::{Kind, Servers},
    world::{NEVER, Place, World, replace},
};

#[tokio::test]
async fn a_new_password_at_redis_needs_no_restart() {
    let Some(servers) = Servers::start(Kind::TlsAndUser) else { return };
    let (place, plan) = (Place::new().await, servers.plan());
    let (ca, password) = (plan.ca.unwrap(), place.path("password"));
    replace(&password, plan.password.unwrap().expose());
    let embedded = format!("storage: {{ path: {} }}\n", place.path("state").display());
    let redis = format!(
        "secret: the-root-secret-of-all-replicas-0123456789\nstorage: {{ backend: redis, url: 'rediss://127.0.0.1:{}', \
         username: gateway, password: {{ file: {} }}, ca: {}, prefix: vestibule }}\n",
        servers.port(),
        password.display(),
        ca.display(),
    );
    let text = place.text(&["/mcp"]);
    assert!(text.contains(&embedded));
    std::fs::write(place.config(), text.replace(&embedded, &redis)).unwrap();
    let world = World::follow(place, NEVER).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;

    // As docs/store.md says: add it at the server, write it to the file, take the old one away.
    servers.tell(&["acl", "setuser", "gateway", ">another-password-than-before"]);
    replace(&password, "another-password-than-before");
    let report = world.until(|report| report.changes.contains("storage.password")).await;
    assert!(report.error.is_none() && !report.changes.contains("another-password"), "{report:?}");
    servers.tell(&["acl", "setuser", "gateway", "<the-gateways-password"]);
    // Every connection has to be made anew.
    let ended: u32 = servers.tell(&["client", "kill", "user", "gateway"]).trim().parse().unwrap();
    assert!(ended > 0);

    let mut refreshed = client.refresh(tokens.refresh_token()).await;
    for _ in 0..100 {
        if refreshed.status() != StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        refreshed = client.refresh(tokens.refresh_token()).await;
    }
    let refreshed = Tokens::read(refreshed).await;
    assert_eq!(world.place.get("/mcp", &refreshed.access).await.status(), StatusCode::OK);
    client.tokens("grace").await;
    world.stop().await;
}
