//! Addresses, certificates, and what only a restart can change.

use std::{fs, net::TcpListener};

use rcgen::{CertificateParams, KeyPair};
use reqwest::{Certificate, StatusCode};
use vestibule::{
    demo::identity_provider::{DemoIdentityProvider, Options},
    reload::ReloadOutcome,
};

use crate::{
    client::{Client, http},
    port::free_port,
    world::{NEVER, Place, World},
};

const RESTART: &str = "vestibule_config_restart_required";

/// Both listeners move: the new ones answer, the old ones drain with what is open, and end.
#[tokio::test]
async fn the_listeners_move() {
    let mut world = World::start().await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let tokens = client.tokens("ada").await;
    let mut events = world.place.get("/mcp/events", &tokens.access).await;
    assert!(events.chunk().await.unwrap().is_some());
    let (port, admin) = (free_port(), free_port());
    let text = world.place.head_at(port, admin) + &world.place.block("demo", "", &["/mcp"]);
    world.applied(&text).await;
    world.place.admin = admin;
    world.place.until_metric(RESTART, "0").await;
    // `Host` is still the public one, as behind a proxy.
    let moved =
        http().get(format!("http://127.0.0.1:{port}/mcp")).header("host", format!("127.0.0.1:{}", world.place.port));
    assert_eq!(moved.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(events.chunk().await.unwrap().is_some(), "the open stream goes on");
    // Until the old listener's drain deadline, two seconds here.
    let ends = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), ends).await.expect("the old listener ends");
    // Idle connections were left open for a moment, too.
    assert!(http().get(world.place.url("/mcp")).send().await.is_err(), "nobody listens at the old address");
    world.stop().await;
}

/// An address that cannot be had refuses all of it: the route that came with it is not there.
#[tokio::test]
async fn an_address_in_use_refuses_everything() {
    let world = World::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (public, admin) in [(port, world.place.admin), (free_port(), port)] {
        let text = world.place.head_at(public, admin) + &world.place.block("demo", "", &["/mcp", "/more"]);
        let report = world.apply(&text).await;
        assert_eq!(report.outcome, ReloadOutcome::Rejected);
        assert!(report.error.as_ref().unwrap().contains(&port.to_string()), "{report:?}");
        assert_eq!(world.place.status("/more").await, StatusCode::NOT_FOUND);
        assert_eq!(world.place.status("/mcp").await, StatusCode::UNAUTHORIZED);
    }
    world.stop().await;
}

/// Another storage is said to need a restart, and nothing of the file is applied.
#[tokio::test]
async fn another_storage_needs_a_restart() {
    let world = World::start().await;
    let text = world.place.text(&["/mcp", "/more"]).replace("/state }", "/other }");
    let report = world.apply(&text).await;
    assert_eq!(report.outcome, ReloadOutcome::RestartRequired);
    assert!(report.error.as_ref().unwrap().contains("storage"), "{report:?}");
    assert_eq!(world.place.metric(RESTART).await.as_deref(), Some("1"));
    assert_eq!(world.place.status("/more").await, StatusCode::NOT_FOUND);
    assert!(!world.place.path("other").exists());
    world.applied(&world.place.text(&["/mcp", "/more"])).await;
    assert_eq!(world.place.metric(RESTART).await.as_deref(), Some("0"));
    world.stop().await;
}

/// S80, S81: a new certificate is used by new connections; a broken pair refuses all of it; a
/// certificate file that changes alone is enough.
#[tokio::test]
async fn s80_s81_certificates() {
    let mut place = Place::new().await;
    let (certificate, key) = (place.path("tls.crt"), place.path("tls.key"));
    let make = || {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (made.pem(), key.serialize_pem())
    };
    place.provider = DemoIdentityProvider::start(Options::default()).await.unwrap();
    let port = place.port;
    let text = |place: &Place, routes: &[&str]| {
        format!("tls: {{ certificate: {}, key: {} }}\n", certificate.display(), key.display())
            + &place.text(routes).replace(
                &format!("public_url: http://127.0.0.1:{port}"),
                &format!("public_url: https://localhost:{port}"),
            )
    };
    let first = make();
    fs::write(&certificate, &first.0).unwrap();
    fs::write(&key, &first.1).unwrap();
    fs::write(place.config(), text(&place, &["/mcp"])).unwrap();
    let world = World::follow(place, NEVER).await;
    let url = format!("https://localhost:{port}/more");
    let ask = async |pem: &str| {
        let root = Certificate::from_pem(pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy();
        client.build().unwrap().get(&url).send().await.map(|response| response.status())
    };
    assert_eq!(ask(&first.0).await.unwrap(), StatusCode::NOT_FOUND);

    // The certificate without its key, then garbage: refused, with the new route.
    let second = make();
    fs::write(&certificate, &second.0).unwrap();
    let report = world.apply(&text(&world.place, &["/mcp", "/more"])).await;
    assert_eq!(report.outcome, ReloadOutcome::Rejected, "{report:?}");
    assert!(report.error.as_ref().unwrap().contains("tls.key"), "{report:?}");
    assert_eq!(ask(&first.0).await.unwrap(), StatusCode::NOT_FOUND);
    fs::write(&key, &second.1[..second.1.len() / 2]).unwrap();
    world.until(|report| report.error.as_ref().is_some_and(|error| error.contains("tls.key is not"))).await;
    assert_eq!(ask(&first.0).await.unwrap(), StatusCode::NOT_FOUND);

    // The pair is whole again: everything is applied, and old handshakes' certificate is gone.
    fs::write(&key, &second.1).unwrap();
    world.until(|report| report.outcome == ReloadOutcome::Applied && report.changes.contains("tls.crt")).await;
    assert_eq!(ask(&second.0).await.unwrap(), StatusCode::UNAUTHORIZED);
    assert!(ask(&first.0).await.is_err());
    world.stop().await;
}
