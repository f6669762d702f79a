//! Holds the direction of imports: which module may use which.
//!
//! The two straight lines of the crate (`src/lib.rs`) stay straight only if nothing points
//! backwards. Each row of [`ALLOWED`] names a top-level module and every other top-level module
//! that its files may mention as `crate::…`.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

/// Words that everybody may use.
const VOCABULARY: [&str; 8] = ["audit", "body", "identity", "oauth", "printable", "reserved", "secret", "time"];

/// Module -> what else it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("admin", &["authority", "config", "flow", "keys", "listener", "metrics", "page", "request_id", "store"]),
    ("answer", &[]),
    ("audit", &[]),
    ("authority", &["config", "keys", "metrics", "policy", "provider", "seal", "store"]),
    ("body", &[]),
    (
        "cli",
        &[
            "admin",
            "authority",
            "config",
            "demo",
            "flow",
            "gate",
            "keys",
            "policy",
            "provider",
            "reload",
            "route",
            "server",
            "supervisor",
            "survey",
            "telemetry",
        ],
    ),
    ("config", &["private_key"]),
    ("demo", &["config", "seal"]),
    (
        "edge",
        &[
            "answer",
            "authority",
            "config",
            "endpoint",
            "flow",
            "forward",
            "gate",
            "listener",
            "metrics",
            "request_id",
            "route",
        ],
    ),
    ("egress", &["authority", "config", "metrics"]),
    (
        "endpoint",
        &[
            "authority",
            "config",
            "flow",
            "keys",
            "metrics",
            "page",
            "policy",
            "provider",
            "request_id",
            "route",
            "seal",
            "store",
        ],
    ),
    ("entrance", &["listener"]),
    ("flow", &["metrics", "seal"]),
    ("forward", &["answer", "config", "metrics"]),
    ("gate", &["answer", "authority", "config", "flow", "keys", "metrics", "policy", "provider", "seal", "store"]),
    ("identity", &[]),
    ("keys", &["config", "metrics", "private_key", "seal", "store"]),
    ("listener", &["config", "metrics"]),
    (
        "live",
        &[
            "authority",
            "config",
            "edge",
            "egress",
            "endpoint",
            "flow",
            "forward",
            "gate",
            "keys",
            "metrics",
            "policy",
            "provider",
            "route",
            "seal",
            "store",
        ],
    ),
    ("metrics", &[]),
    ("oauth", &[]),
    ("page", &[]),
    ("policy", &["config", "metrics"]),
    ("printable", &[]),
    ("private_key", &[]),
    ("provider", &["config", "egress", "metrics", "seal"]),
    (
        "reload",
        &["config", "entrance", "keys", "listener", "live", "metrics", "seal", "store", "supervisor", "telemetry"],
    ),
    ("request_id", &["seal"]),
    ("reserved", &[]),
    ("route", &["config"]),
    ("seal", &[]),
    ("secret", &[]),
    (
        "server",
        &[
            "admin",
            "authority",
            "config",
            "entrance",
            "flow",
            "keys",
            "listener",
            "live",
            "metrics",
            "reload",
            "seal",
            "store",
        ],
    ),
    ("store", &["config", "metrics", "seal"]),
    ("supervisor", &[]),
    ("survey", &["config", "egress", "metrics", "provider", "store"]),
    ("telemetry", &["config"]),
    ("time", &[]),
];

#[test]
fn imports_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut broken = Vec::new();
    let mut seen = 0;
    for (file, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let module = file.split(['/', '.']).next().unwrap_or_default();
        if matches!(module, "lib" | "main" | "testing") {
            continue;
        }
        let Some(may) = allowed.get(module) else {
            broken.push(format!("src/{file}: module `{module}` has no row in tests/architecture.rs"));
            continue;
        };
        seen += 1;
        for used in used_modules(&text) {
            let fine = used == module || VOCABULARY.contains(&used.as_str()) || may.contains(&used.as_str());
            if !fine {
                broken.push(format!("src/{file}: `{module}` may not use `crate::{used}`"));
            }
        }
    }
    assert!(seen > 20, "the sources were not found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// warp stays in the endpoints: no request to a backend ever walks through its filters.
#[test]
fn warp_stays_in_the_endpoints() {
    for (file, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let own = ["endpoint", "admin", "demo"].iter().any(|module| file.starts_with(module));
        assert!(own || !text.contains("warp::") || file == "lib.rs", "src/{file} says `warp::`");
    }
}

/// Whoever sends requests by reqwest does it with the bounds of `egress`; the commands that ask a
/// running process have a client of their own.
#[test]
fn reqwest_stays_in_egress() {
    for (file, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let own = file.starts_with("egress") || file == "cli/admin_client.rs";
        assert!(own || !text.contains("reqwest::"), "src/{file} says `reqwest::`");
    }
}

/// Every `(path below src, text without tests)`.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let is_test = name.contains("tests/") || name.ends_with("tests.rs");
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                found.push((name, code));
            }
        }
    }
    found
}

/// The top-level modules that a file names, in `use crate::{a::…, b}` and in `crate::a::…`.
fn used_modules(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            let mut first = true;
            for char in group.chars() {
                match char {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (depth == 1 && char == ',') {
                    if !word.is_empty() {
                        found.push(std::mem::take(&mut word));
                    }
                    first = true;
                } else if depth == 1 && first && (char.is_alphanumeric() || char == '_') {
                    word.push(char);
                } else if !char.is_whitespace() {
                    first = false;
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push(rest.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect());
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_reader_of_imports_reads_them() {
    let text =
        "use crate::{oauth::{Scope, Scopes}, store::Store, time};\nlet x = crate::seal::fill;\n// crate::nothing\n";
    assert_eq!(used_modules(text), ["oauth", "seal", "store", "time"]);
}
