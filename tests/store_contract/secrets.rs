//! Whoever gets the file gets no secret.

use std::{path::Path, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use vestibule::{
    config::plan::{SigningAlgorithm, SigningPlan},
    keys::KeyRing,
    metrics::Metrics,
    provider::tokens::ProviderTokens,
    seal::Sealer,
    secret::Secret,
    store::{
        NEVER, Table,
        record::{Kind, Records},
        redb::EmbeddedStore,
        root_secret,
    },
    time::Clock,
};

use super::term;

#[derive(Serialize, Deserialize)]
struct Grant {
    subject: String,
    tokens: ProviderTokens,
    successor: String,
}

impl Kind for Grant {
    const TABLE: Table = Table::Grant;
    const NAME: &'static str = "test-grant";
}

const SECRETS: [&str; 5] = [
    "ya29.provider-access-token-0123456789",
    "1//provider-refresh-token-0123456789",
    "vrt_our-refresh-token-0123456789",
    "person@example.com",
    "our-second-access-token-0123456789",
];

/// S-case of a stolen disk: nothing that was sealed is in the file, under any version of a record.
#[tokio::test]
async fn a_stolen_file_yields_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = root_secret::load_or_create(folder.path()).unwrap();
    let sealer = Arc::new(Sealer::new(&[root.clone(), Secret::new("older".repeat(8))]).unwrap());
    {
        let store = Arc::new(EmbeddedStore::open(folder.path(), Clock::system()).unwrap());
        let records = Records::new(store, sealer, Metrics::new().unwrap(), Clock::system());
        let keys =
            KeyRing::load(&records, &SigningPlan::made_here(SigningAlgorithm::EdDsa), Clock::system()).await.unwrap();
        keys.rotate(Duration::from_mins(1)).await.unwrap();
        for round in 0..50_usize {
            let tokens = ProviderTokens {
                access_token: SECRETS[if round % 2 == 0 { 0 } else { 4 }].to_owned(),
                refresh_token: Some(SECRETS[1].to_owned()),
                expires_at: None,
                scopes: None,
                ..ProviderTokens::default()
            };
            let grant = Grant { subject: SECRETS[3].to_owned(), tokens, successor: SECRETS[2].to_owned() };
            let key = format!("grant-{}", round % 20);
            let put = records.put(key.as_bytes(), &grant, NEVER, vec![term("subject", "a digest in the clear")]);
            records.commit(vec![put]).await.unwrap();
        }
        records.commit(vec![records.delete::<Grant>(b"grant-3")]).await.unwrap();
        assert_eq!(records.get::<Grant>(b"grant-4").await.unwrap().unwrap().value.subject, SECRETS[3]);
    }
    let file = std::fs::read(folder.path().join("vestibule.redb")).unwrap();
    assert!(
        contains(&file, "a digest in the clear") && contains(&file, "grant-4"),
        "this test looks at the right bytes"
    );
    for secret in SECRETS.into_iter().chain([root.expose(), "refresh_token", "pkcs8"]) {
        assert!(!contains(&file, secret), "{secret} is in the file");
    }
    assert_eq!(files(folder.path()), ["secret", "vestibule.redb"]);
}

fn contains(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|window| window == text.as_bytes())
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
