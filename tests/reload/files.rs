//! How files change in the world (S81, S82): each change is applied, each accident is refused and
//! repaired by the next good file.

use std::{fs, io::Write as _, os::unix::fs::symlink, time::Duration};

use reqwest::StatusCode;
use vestibule::{
    config::Sources,
    reload::{ReloadOutcome, ReloadTrigger},
};

use crate::{
    client::Client,
    world::{NEVER, Place, World, replace},
};

const GOOD: &str = "vestibule_config_last_reload_successful";

/// S82: an editor writes another file and renames it over this one, five times.
#[tokio::test]
async fn s82_a_rename_over_the_file() {
    let world = World::start().await;
    for round in 1..=5 {
        let path = format!("/v{round}");
        replace(&world.place.config(), &world.place.text(&["/mcp", &path]));
        world.until_protected(&path).await;
    }
    let last = world.last();
    assert_eq!((last.trigger, last.outcome), (ReloadTrigger::File, ReloadOutcome::Applied));
    assert!(last.changes.contains("/v5"), "{last:?}");
    assert_eq!(world.place.status("/v1").await, StatusCode::NOT_FOUND);
    world.stop().await;
}

/// S82: truncated first, written in two steps with a pause.
#[tokio::test]
async fn s82_truncate_and_write_in_two_steps() {
    let world = World::start().await;
    let text = world.place.text(&["/mcp", "/new"]);
    let (first, second) = text.split_at(text.len() / 2);
    let mut file = fs::File::create(world.place.config()).unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    file.write_all(first.as_bytes()).unwrap();
    file.sync_all().unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(world.place.status("/mcp").await, StatusCode::UNAUTHORIZED, "the old one runs");
    file.write_all(second.as_bytes()).unwrap();
    drop(file);
    world.until_protected("/new").await;
    world.place.until_metric(GOOD, "1").await;
    world.stop().await;
}

/// S82: Kubernetes swaps `..data`, of the `ConfigMap` with the file and of the Secret that it names.
#[tokio::test]
async fn s82_the_swap_of_mounted_volumes() {
    let place = Place::new().await;
    let volume = |name: &str, version: &str, file: &str, text: &str| {
        let folder = place.path(name);
        let versioned = folder.join(format!("..{version}"));
        fs::create_dir_all(&versioned).unwrap();
        fs::write(versioned.join(file), text).unwrap();
        symlink(format!("..{version}"), folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        if !folder.join(file).exists() {
            symlink(format!("..data/{file}"), folder.join(file)).unwrap();
        }
    };
    let file = format!("{{ file: {} }}", place.path("secret").join("client").display());
    let text = |routes: &[&str]| place.head() + &place.block_with_secret("demo", &file, "", routes);
    volume("secret", "v1", "client", "not the secret");
    volume("config", "v1", "vestibule.yaml", &text(&["/mcp"]));
    let sources = Sources { config: Some(place.path("config").join("vestibule.yaml")), ..Sources::default() };
    let secret = place.provider.client_secret().unwrap().expose().to_owned();
    let (second, third) = (text(&["/mcp", "/v2"]), text(&["/mcp", "/v3"]));
    let swaps = [
        ("config", "v2", "vestibule.yaml", second.as_str()),
        ("config", "v3", "vestibule.yaml", third.as_str()),
        ("secret", "v2", "client", secret.as_str()),
    ];
    // The place goes into the world; its folder stays where it is.
    let root = place.folder.path().to_owned();
    let world = World::follow_sources(sources, place, NEVER).await;
    for (name, version, file, text) in swaps {
        let before = world.last();
        let versioned = root.join(name).join(format!("..{version}"));
        fs::create_dir_all(&versioned).unwrap();
        fs::write(versioned.join(file), text).unwrap();
        symlink(format!("..{version}"), root.join(name).join("..data_tmp")).unwrap();
        fs::rename(root.join(name).join("..data_tmp"), root.join(name).join("..data")).unwrap();
        let report = world.until(|report| report.at > before.at || report.changes != before.changes).await;
        assert_eq!(report.outcome, ReloadOutcome::Applied, "{report:?}");
        let trigger = if name == "secret" { ReloadTrigger::Secret } else { ReloadTrigger::File };
        assert_eq!(report.trigger, trigger);
        assert!(!report.changes.contains(&secret), "{report:?}");
    }
    assert_eq!(world.place.status("/v2").await, StatusCode::NOT_FOUND);
    // The secret is the right one now: a sign-in succeeds.
    let client = Client::discover(&world.place.url("/v3")).await;
    let tokens = client.tokens("ada").await;
    assert_eq!(world.place.get("/v3", &tokens.access).await.status(), StatusCode::OK);
    world.stop().await;
}

/// A single file that is mounted alone tells no events about itself: the poll finds it. The
/// folder here tells none because the file is reached by a link whose end lies two links away.
#[tokio::test]
async fn the_poll_finds_what_no_event_tells() {
    let place = Place::new().await;
    fs::create_dir(place.path("far")).unwrap();
    fs::write(place.path("far").join("real.yaml"), place.text(&["/mcp"])).unwrap();
    fs::create_dir(place.path("middle")).unwrap();
    symlink(place.path("far"), place.path("middle").join("link")).unwrap();
    symlink(place.path("middle").join("link").join("real.yaml"), place.config()).unwrap();
    // Another target for the link in the middle, which is in no watched folder.
    fs::create_dir(place.path("other")).unwrap();
    fs::write(place.path("other").join("real.yaml"), place.text(&["/mcp", "/found"])).unwrap();
    symlink(place.path("other"), place.path("middle").join("link_tmp")).unwrap();
    // The store is in a watched folder too, and makes events at the start.
    let world = World::follow(place, Duration::from_millis(700)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::rename(world.place.path("middle").join("link_tmp"), world.place.path("middle").join("link")).unwrap();
    world.until_protected("/found").await;
    let last = world.until(|report| report.outcome == ReloadOutcome::Applied).await;
    assert_eq!(last.trigger, ReloadTrigger::Poll);
    world.stop().await;
}

/// S81, S82: the file goes and comes back; meanwhile the old one serves.
#[tokio::test]
async fn s81_delete_and_recreate() {
    let world = World::start().await;
    fs::remove_file(world.place.config()).unwrap();
    let refused = world.until(|report| report.outcome == ReloadOutcome::Rejected).await;
    assert!(refused.error.as_ref().unwrap().contains("vestibule.yaml"), "{refused:?}");
    world.place.until_metric(GOOD, "0").await;
    assert_eq!(world.place.status("/mcp").await, StatusCode::UNAUTHORIZED);
    fs::write(world.place.config(), world.place.text(&["/mcp", "/back"])).unwrap();
    world.until_protected("/back").await;
    world.place.until_metric(GOOD, "1").await;
    world.stop().await;
}

/// S81: the whole folder disappears and returns.
#[tokio::test]
async fn s81_a_folder_disappears_and_returns() {
    let place = Place::new().await;
    let folder = place.path("conf");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("vestibule.yaml");
    fs::write(&file, place.text(&["/mcp"])).unwrap();
    let sources = Sources { config: Some(file.clone()), ..Sources::default() };
    let world = World::follow_sources(sources, place, Duration::from_millis(300)).await;
    fs::rename(&folder, world.place.path("elsewhere")).unwrap();
    world.until(|report| report.outcome == ReloadOutcome::Rejected).await;
    assert_eq!(world.place.status("/mcp").await, StatusCode::UNAUTHORIZED);
    fs::create_dir(&folder).unwrap();
    fs::write(&file, world.place.text(&["/mcp", "/back"])).unwrap();
    world.until_protected("/back").await;
    // And it is watched again.
    replace(&file, &world.place.text(&["/mcp", "/again"]));
    world.until_protected("/again").await;
    world.stop().await;
}

/// A `.env` file that did not even exist, and one that changes.
#[tokio::test]
async fn an_environment_file_changes() {
    let place = Place::new().await;
    let environment = place.path("settings.env");
    fs::write(&environment, "VESTIBULE_LOG=info\n").unwrap();
    fs::write(place.config(), place.text(&["/mcp"])).unwrap();
    let sources = Sources { env_file: Some(environment.clone()), ..place.sources() };
    let world = World::follow_sources(sources, place, NEVER).await;
    replace(&environment, "VESTIBULE_LOG=info\nVESTIBULE_ALLOWED_HOSTS=other.example\n");
    let report = world.until(|report| report.changes.contains("other.example")).await;
    assert_eq!((report.trigger, report.outcome), (ReloadTrigger::File, ReloadOutcome::Applied));
    replace(&environment, "VESTIBULE_LOG=[[[\n");
    world.until(|report| report.outcome == ReloadOutcome::Rejected).await;
    fs::remove_file(&environment).unwrap();
    replace(&environment, "VESTIBULE_LOG=info\n");
    world.until(|report| report.outcome == ReloadOutcome::Applied).await;
    world.stop().await;
}

/// Fifty writes are few attempts, and the last one wins.
#[tokio::test]
async fn a_burst_of_fifty_writes() {
    let world = World::start().await;
    for round in 0..50 {
        replace(&world.place.config(), &world.place.text(&["/mcp", &format!("/burst{round}")]));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.until_protected("/burst49").await;
    let series = "vestibule_config_reloads_total{outcome=\"applied\",trigger=\"file\"}";
    let attempts: u32 = world.place.metric(series).await.unwrap().parse().unwrap();
    assert!((1..=10).contains(&attempts), "{attempts} attempts");
    assert_eq!(world.place.status("/burst48").await, StatusCode::NOT_FOUND);
    world.stop().await;
}

/// S81: empty, cut in the middle, no YAML, no text, unsafe, unreadable: the old one serves, the
/// metric is 0, the reason names file and line; then a good file, and it is 1.
#[tokio::test]
async fn s81_bad_files_are_refused_with_their_place() {
    let world = World::start().await;
    let good = world.place.text(&["/mcp"]);
    let half = &good[..good.len() - 60];
    let unsafe_url = good.replace("public_url: http://127.0.0.1", "public_url: http://example.com");
    for (what, bytes) in [
        ("empty", b"".as_slice()),
        ("half", half.as_bytes()),
        ("not YAML", b"providers: [\n".as_slice()),
        ("not text", b"\xff\xfe\x00".as_slice()),
        ("unsafe", unsafe_url.as_bytes()),
    ] {
        let before = world.last();
        let beside = world.place.path("beside");
        fs::write(&beside, bytes).unwrap();
        fs::rename(&beside, world.place.config()).unwrap();
        let refused = world.until(|report| report.error != before.error && report.error.is_some()).await;
        assert_eq!(refused.outcome, ReloadOutcome::Rejected, "{what}: {refused:?}");
        assert!(refused.error.as_ref().unwrap().contains("vestibule.yaml"), "{what}: {refused:?}");
        assert_eq!(refused.sha256, before.sha256, "{what}: what runs is the same");
        world.place.until_metric(GOOD, "0").await;
        assert_eq!(world.place.status("/mcp").await, StatusCode::UNAUTHORIZED, "{what}");
    }
    let ready = crate::client::http().get(format!("http://127.0.0.1:{}/readyz", world.place.admin));
    assert_eq!(ready.send().await.unwrap().status(), StatusCode::OK);
    replace(&world.place.config(), &world.place.text(&["/mcp", "/good"]));
    world.until_protected("/good").await;
    world.place.until_metric(GOOD, "1").await;
    world.stop().await;
}

/// Touched, or written again with the same content: nothing happens at all.
#[tokio::test]
async fn the_same_content_is_no_reload() {
    let world = World::start().await;
    let text = world.place.text(&["/mcp"]);
    replace(&world.place.config(), &text);
    fs::write(world.place.config(), &text).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.last().trigger, ReloadTrigger::Startup);
    // Another text for the same plan is read, and nothing changes.
    replace(&world.place.config(), &format!("# a comment\n{text}"));
    world.until(|report| report.outcome == ReloadOutcome::Unchanged).await;
    world.stop().await;
}
