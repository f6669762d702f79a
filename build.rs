//! What `--version` and `vestibule_build_info` say besides the version: which commit, which compiler.
//!
//! The commit comes from `BUILD_REVISION` (packages and images that are built without the repository), else from the
//! repository, else from the archive that `git archive` (a tarball of a forge) made.

#![expect(clippy::disallowed_methods, reason = "the environment of the build, not of the program")]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Filled in by `git archive`, see `.gitattributes`.
const ARCHIVED: &str = "$Format:%H$";
/// Hexadecimal digits of a revision.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    let given = env::var("BUILD_REVISION").ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let revision = given.or_else(of_repository).or_else(of_archive).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BUILD_REVISION={revision}");
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // "rustc 1.95.0 (f2d3ce0bd 2026-03-21)"
    let version = said_by(&compiler, &["--version"]);
    let number = version.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown");
    println!("cargo::rustc-env=BUILD_RUSTC={number}");
}

/// The commit that is checked out. Cargo looks again when another one is, and at no other time.
fn of_repository() -> Option<String> {
    let top = PathBuf::from(said_by("git", &["rev-parse", "--show-toplevel"])?);
    // A package that lies in somebody else's repository has not that one's revision.
    if top.canonicalize().ok()? != Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).canonicalize().ok()? {
        return None;
    }
    // The log gets a line at each commit and checkout; where none is kept, the branch is asked.
    let branch = said_by("git", &["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["logs/HEAD", "HEAD"].into_iter().chain(branch.as_deref()) {
        // A path that does not exist would run this at every build.
        if let Some(path) = said_by("git", &["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    shortened(&said_by("git", &["rev-parse", "HEAD"])?)
}

fn of_archive() -> Option<String> {
    shortened(ARCHIVED)
}

fn shortened(commit: &str) -> Option<String> {
    commit.get(..DIGITS).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned)
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
