//! `POST /reload` on the admin listener.

use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    client::{http, json_of},
    world::{NEVER, World, replace},
};

#[tokio::test]
async fn a_reload_can_be_asked_for() {
    assert!(NEVER.as_secs() > 60);
    let world = World::start().await;
    let url = format!("http://127.0.0.1:{}/reload", world.place.admin);
    let ask = async || {
        let response = http().post(&url).send().await.unwrap();
        let status = response.status();
        (status, json_of(response).await)
    };
    let (status, report): (StatusCode, Value) = ask().await;
    assert_eq!((status, report["outcome"].as_str()), (StatusCode::OK, Some("unchanged")));
    assert_eq!(report["trigger"], "api");
    let running = report["sha256"].clone();
    assert_eq!(running.as_str().unwrap().len(), 12);

    replace(&world.place.config(), &world.place.text(&["/mcp", "/more"]));
    // The watcher may have been faster.
    let (status, report) = ask().await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(report["sha256"], running);
    assert_eq!(world.place.status("/more").await, StatusCode::UNAUTHORIZED);

    replace(&world.place.config(), "providers: 7\n");
    let (status, report) = ask().await;
    assert_eq!((status, report["outcome"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("rejected")));
    assert!(report["error"].as_str().unwrap().contains("vestibule.yaml:1:"), "{report}");

    assert_eq!(http().get(&url).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let foreign = http().post(&url).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    // Never on the public listener (S73).
    assert_eq!(http().post(world.place.url("/reload")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    world.stop().await;
}
