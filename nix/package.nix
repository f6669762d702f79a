{
  lib,
  stdenv,
  rustPlatform,
  rustc,
  installShellFiles,
  revision ? "unknown",
}:
let
  manifest = (lib.importTOML ../Cargo.toml).package;
  canRun = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
in
assert lib.assertMsg (lib.versionAtLeast (lib.getVersion rustc) manifest.rust-version)
  "vestibule needs rustc ${manifest.rust-version} or newer, and this nixpkgs has ${lib.getVersion rustc}: take a newer one";
rustPlatform.buildRustPackage {
  pname = "vestibule";
  inherit (manifest) version;
  src = import ./source.nix { inherit lib; };

  cargoLock.lockFile = ../Cargo.lock;

  # There is no repository in a build to ask.
  env.BUILD_REVISION = revision;

  nativeBuildInputs = [ installShellFiles ];

  # They need the whole repository: `checks.<system>.tests` runs them.
  doCheck = false;

  postInstall = ''
    install -Dm444 deploy/prometheus/vestibule.rules.yml -t "$out/share/vestibule/prometheus"
    install -Dm444 deploy/grafana/vestibule.json -t "$out/share/vestibule/grafana"
  ''
  + lib.optionalString canRun ''
    for shell in bash fish zsh; do
      "$out/bin/vestibule" completions "$shell" >"vestibule.$shell"
    done
    installShellCompletion --cmd vestibule --bash vestibule.bash --fish vestibule.fish --zsh vestibule.zsh
    "$out/bin/vestibule" man --folder manual
    installManPage manual/*.1
  '';

  doInstallCheck = canRun;
  installCheckPhase = ''
    runHook preInstallCheck
    "$out/bin/vestibule" --version | grep -F '${manifest.version} (${revision})'
    runHook postInstallCheck
  '';

  meta = {
    inherit (manifest) description;
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "vestibule";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
