# What `nix flake check` builds: everything that CI does without a network, and a machine of its own.
{
  lib,
  stdenv,
  runCommand,
  testers,
  cacert,
  cargo-deny,
  clippy,
  git,
  prometheus,
  rustfmt,
  vestibule,
  nixosModule,
  # The whole of it: tests read documentation and examples.
  repository,
}:
let
  # The package's build with another thing to do in it.
  cargo =
    name: inputs: command:
    vestibule.overrideAttrs (old: {
      pname = "vestibule-${name}";
      src = repository;
      nativeBuildInputs = old.nativeBuildInputs ++ inputs;
      buildPhase = ''
        runHook preBuild
        ${command}
        runHook postBuild
      '';
      installPhase = ''touch "$out"'';
      postInstall = "";
      doInstallCheck = false;
    });
in
{
  package = vestibule;

  clippy = cargo "clippy" [ clippy ] "cargo clippy --frozen --all-targets -- -D warnings";
  fmt = cargo "fmt" [ rustfmt ] "cargo fmt --all --check";
  # cacert: HTTP clients want roots, also those that speak to loopback only.
  tests = cargo "tests" [
    cacert
    git
  ] "cargo test --frozen";
  deny = cargo "deny" [
    cargo-deny
  ] "cargo deny --offline check --hide-inclusion-graph licenses bans sources";

  examples = runCommand "vestibule-examples" { nativeBuildInputs = [ vestibule ]; } ''
    # What the examples ask their readers to set.
    export OIDC_CONFIG_URL=https://idp.example.com/.well-known/openid-configuration
    export OIDC_CLIENT_ID=an-application INTROSPECTION_CLIENT_ID=the-gateway
    for file in ${repository}/examples/*/vestibule.yaml; do
      echo "$file"
      vestibule check --without-secrets --config "$file" >/dev/null
    done
    touch "$out"
  '';

  rules = runCommand "vestibule-rules" { nativeBuildInputs = [ prometheus.cli ]; } ''
    cp ${repository}/deploy/prometheus/*.yml .
    promtool check rules vestibule.rules.yml
    promtool test rules vestibule.tests.yml
    touch "$out"
  '';
}
// lib.optionalAttrs stdenv.hostPlatform.isLinux {
  vm = testers.runNixOSTest (import ./tests/vm.nix { inherit nixosModule; });
}
