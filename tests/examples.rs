//! Every configuration below `examples/` is a valid one.

use std::{fs, path::Path};

use vestibule::config;

/// What the examples ask the reader to set.
const VARIABLES: [(&str, &str); 9] = [
    ("BACKEND_API_KEY", "a-key-of-the-backend"),
    ("ROOT_SECRET", "a-root-secret-of-more-than-32-characters"),
    ("OIDC_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
    ("OIDC_CLIENT_ID", "an-application"),
    ("OIDC_CLIENT_SECRET", "a-secret-of-the-application"),
    ("ENTRA_CLIENT_SECRET", "a-secret-at-entra"),
    ("GOOGLE_CLIENT_SECRET", "a-secret-at-google"),
    ("INTROSPECTION_CLIENT_ID", "the-gateway"),
    ("INTROSPECTION_CLIENT_SECRET", "a-secret-of-the-gateway"),
];

#[test]
fn every_example_is_a_valid_configuration() {
    let environment = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let file = entry.unwrap().path().join("vestibule.yaml");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let plan = config::from_yaml(&text, &environment);
        assert!(plan.is_ok(), "{}: {}", file.display(), plan.unwrap_err());
        let refused = config::from_yaml(&text, &[]);
        assert!(refused.is_err(), "{} works without its variables", file.display());
        seen += 1;
    }
    assert!(seen >= 2, "the examples were not found");
}

#[test]
fn every_example_and_everything_to_deploy_has_a_readme_of_one_screen() {
    const SCREEN: usize = 50;
    let mut seen = 0;
    for group in ["examples", "deploy", "deploy/compose"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(group)).unwrap() {
            let folder = entry.unwrap().path();
            // A part of the others beside it.
            if !folder.is_dir() || folder.ends_with("compose/provider") {
                continue;
            }
            let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
            let lines = readme.lines().count();
            assert!((1..=SCREEN).contains(&lines), "{}: README.md has {lines} lines", folder.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "the folders were not found");
}
