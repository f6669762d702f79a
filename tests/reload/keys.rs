//! Signing keys and root secrets are replaced under a running gateway.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use vestibule::{
    private_key::{PrivateKey, SigningAlgorithm},
    reload::ReloadTrigger,
};

use crate::{
    client::{Client, http, json_of},
    world::{NEVER, Place, World, replace},
};

fn pem(key: &PrivateKey) -> String {
    let text = STANDARD.encode(key.to_pkcs8());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

async fn admin(world: &World, path: &str) -> Value {
    json_of(http().get(format!("http://127.0.0.1:{}{path}", world.place.admin)).send().await.unwrap()).await
}

async fn published(world: &World) -> Vec<String> {
    let set = json_of(http().get(world.place.url("/.well-known/jwks.json")).send().await.unwrap()).await;
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// From keys that are made here to one of the operator's own, to the next one, and back: no token that was given out
/// is refused for it.
#[tokio::test]
async fn an_operators_own_key_comes_changes_and_goes() {
    let place = Place::new().await;
    let made = place.text(&["/mcp"]);
    let file = place.path("signing.pem");
    let own = format!("signing_key: {{ file: {} }}\n{made}", file.display());
    let keys: Vec<_> =
        [SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256].map(|kind| PrivateKey::generate(kind).unwrap()).into();
    std::fs::write(place.config(), &made).unwrap();
    let world = World::follow(place, NEVER).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let mut tokens = vec![client.tokens("ada").await.access];

    replace(&file, &pem(&keys[0]));
    let report = world.applied(&own).await;
    assert!(report.changes.contains(keys[0].kid()), "{report:?}");
    tokens.push(client.tokens("ada").await.access);

    // Only the file changes, as when a Secret is mounted.
    replace(&file, &pem(&keys[1]));
    let report = world.until(|report| report.changes.contains(keys[1].kid())).await;
    assert_eq!(report.trigger, ReloadTrigger::Secret);
    tokens.push(client.tokens("ada").await.access);

    // A broken one is refused, and the one before goes on.
    replace(&file, "no key");
    let report = world.until(|report| report.error.is_some()).await;
    assert!(report.error.as_ref().unwrap().contains("holds no private key"), "{report:?}");
    assert_eq!(kid_of(&client.tokens("ada").await.access), keys[1].kid());

    world.applied(&made).await;
    tokens.push(client.tokens("ada").await.access);

    let kids: Vec<_> = tokens.iter().map(|token| kid_of(token)).collect();
    assert_eq!((kids[1].as_str(), kids[2].as_str()), (keys[0].kid(), keys[1].kid()));
    assert!(kids[3] != kids[1] && kids[3] != kids[2]);
    let set = published(&world).await;
    for (token, kid) in tokens.iter().zip(&kids) {
        assert_eq!(world.place.get("/mcp", token).await.status(), StatusCode::OK, "{kid}");
        assert!(set.contains(kid), "{kid} in {set:?}");
    }
    world.stop().await;
}

/// The old root secret goes, and what was stored under it is still there: grants, and the key that signed.
#[tokio::test]
async fn the_old_root_secret_can_go() {
    let place = Place::new().await;
    let text = |secrets: &str| format!("secret: [{secrets}]\n{}", place.text(&["/mcp"]));
    let (first, second) = ("first-root-secret-of-32-characters", "second-root-secret-of-32-characters");
    let texts = [text(first), text(&format!("{second}, {first}")), text(second)];
    std::fs::write(place.config(), &texts[0]).unwrap();
    let world = World::follow(place, NEVER).await;
    let client = Client::discover(&world.place.url("/mcp")).await;
    let token = client.tokens("ada").await.access;
    let before = admin(&world, "/keys").await;
    assert_eq!(before["root_secrets"].as_array().unwrap().len(), 1);
    assert!(before["root_secrets"][0].get("grants").is_none(), "nothing to compare");

    world.applied(&texts[1]).await;
    let mut list = Value::Null;
    for _ in 0..800 {
        list = admin(&world, "/keys").await;
        if (&list["root_secrets"][1]["grants"], &list["root_secrets"][1]["signing_keys"]) == (&json!(0), &json!(0)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let id = |root: &Value| root["id"].clone();
    assert_eq!(id(&list["root_secrets"][1]), id(&before["root_secrets"][0]));
    assert_eq!(
        list["root_secrets"],
        json!([
            { "id": id(&list["root_secrets"][0]), "grants": 1, "signing_keys": 1 },
            { "id": id(&before["root_secrets"][0]), "grants": 0, "signing_keys": 0 },
        ])
    );

    std::fs::write(world.place.config(), &texts[2]).unwrap();
    // A start that never heard of the old one.
    let place = world.stop_and_keep().await;
    let world = World::follow(place, NEVER).await;
    assert_eq!(world.place.get("/mcp", &token).await.status(), StatusCode::OK);
    let list = admin(&world, "/keys").await;
    assert_eq!(list["signing"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["signing"][0]["kid"], *kid_of(&token));
    world.stop().await;
}
