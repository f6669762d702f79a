# An image with the program, its libraries and the roots of certificates: no shell, no package manager. The file
# that is built is a script that writes the image: `"$(nix build --print-out-paths .#container)" | docker load`.
{
  lib,
  dockerTools,
  cacert,
  vestibule,
  revision ? "unknown",
  # As a flake's `lastModifiedDate`: the same source gives the same image.
  created ? "19700101000001",
}:
let
  part = start: length: builtins.substring start length created;
  date = "${part 0 4}-${part 4 2}-${part 6 2}T${part 8 2}:${part 10 2}:${part 12 2}Z";
  user = 65532;
  state = "var/lib/vestibule";
in
dockerTools.streamLayeredImage {
  name = "vestibule";
  tag = vestibule.version;
  created = date;
  # The one folder that is written to (the store is `vestibule-data` in it): mount a volume here.
  fakeRootCommands = ''
    mkdir -p ${state}
    chmod 700 ${state}
    chown ${toString user}:${toString user} ${state}
  '';
  config = {
    Entrypoint = [ (lib.getExe vestibule) ];
    Cmd = [ "serve" ];
    User = "${toString user}:${toString user}";
    WorkingDir = "/${state}";
    StopSignal = "SIGTERM";
    Env = [
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
      "VESTIBULE_LISTEN=0.0.0.0:8000"
    ];
    ExposedPorts."8000/tcp" = { };
    Volumes."/${state}" = { };
    Healthcheck = {
      Test = [
        "CMD"
        (lib.getExe vestibule)
        "healthcheck"
      ];
      # In nanoseconds.
      Interval = 10 * 1000 * 1000 * 1000;
      Timeout = 6 * 1000 * 1000 * 1000;
      StartPeriod = 5 * 1000 * 1000 * 1000;
    };
    Labels = {
      "org.opencontainers.image.title" = "Vestibule";
      "org.opencontainers.image.description" = vestibule.meta.description;
      "org.opencontainers.image.version" = vestibule.version;
      "org.opencontainers.image.revision" = revision;
      "org.opencontainers.image.created" = date;
      "org.opencontainers.image.licenses" = "MIT OR Apache-2.0";
    };
  };
}
