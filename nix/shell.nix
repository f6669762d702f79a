# What this repository's own tests and checks use.
{
  lib,
  mkShell,
  stdenv,
  cargo,
  cargo-deny,
  cargo-nextest,
  chromium,
  clippy,
  kubectl,
  nixfmt-tree,
  nodejs,
  prometheus,
  python3,
  rust-analyzer,
  rustc,
  rustfmt,
  shellcheck,
  typos,
}:
mkShell {
  packages = [
    cargo
    cargo-deny
    cargo-nextest
    clippy
    kubectl
    nixfmt-tree
    # Runs the interop suites, a real OpenID provider among them.
    nodejs
    # promtool
    prometheus.cli
    python3
    rust-analyzer
    rustc
    rustfmt
    shellcheck
    typos
  ]
  ++ lib.optional stdenv.hostPlatform.isLinux chromium;
}
