# The files that a build of the program needs, and no others: a changed page of documentation builds nothing anew.
{ lib }:
lib.fileset.toSource {
  root = ../.;
  fileset = lib.fileset.unions [
    ../Cargo.lock
    ../Cargo.toml
    # Cargo.toml names them, so Cargo wants them to be there.
    ../benches
    ../build.rs
    ../deploy/grafana/vestibule.json
    ../deploy/prometheus/vestibule.rules.yml
    ../src
    ../templates
  ];
}
