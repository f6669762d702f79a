//! What `--version` and `vestibule_build_info` say besides the version: which commit, which compiler.
//!
//! A package that is built without its repository sets `BUILD_REVISION`.

#![expect(clippy::disallowed_methods, reason = "the environment of the build, not of the program")]

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that does not exist would run this at every build.
    if Path::new(".git/HEAD").exists() {
        println!("cargo::rerun-if-changed=.git/HEAD");
    }
    let given = env::var("BUILD_REVISION").ok().filter(|revision| !revision.trim().is_empty());
    let revision = given.or_else(|| said_by("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown").trim());
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // "rustc 1.95.0 (f2d3ce0bd 2026-03-21)"
    let version = said_by(&compiler, &["--version"]);
    let number = version.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown");
    println!("cargo::rustc-env=BUILD_RUSTC={number}");
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
