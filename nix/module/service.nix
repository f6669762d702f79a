# The unit: started when it accepts connections, watched, reloaded in place, and without rights that it does not need.
{
  lib,
  pkgs,
  config,
  ...
}:
let
  service = config.services.vestibule;
  inherit (service) settings;
  port = (import ./address.nix { inherit lib; } settings.listen).port;
  privileged = port != null && port < 1024;
  below = folder: path: lib.removePrefix "${folder}/" path;
in
{
  config = lib.mkIf service.enable {
    # A path that stays: a changed file is a reload, not another command line.
    environment.etc."vestibule/vestibule.yaml".source = service.configFile;

    # So that its commands are there for whoever administers the machine.
    environment.systemPackages = [ service.package ];

    networking.firewall.allowedTCPPorts = lib.mkIf (service.openFirewall && port != null) [ port ];

    systemd.services.vestibule = {
      description = "Vestibule, sign-in in front of MCP servers";
      documentation = [ "man:vestibule(1)" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];

      # /etc changes by one link far above the file, which nobody watches: tell the program.
      reloadTriggers = [ service.configFile ];
      # What the program refuses to change while it runs (docs/reload.md).
      restartTriggers = [
        (builtins.toJSON {
          inherit (settings) storage;
          tls = (settings.tls or null) != null;
        })
      ];

      inherit (service) environment;

      serviceConfig = {
        Type = "notify";
        NotifyAccess = "main";
        ExecStart = "${lib.getExe service.package} serve --config /etc/vestibule/vestibule.yaml";
        ExecReload = "${lib.getExe' pkgs.coreutils "kill"} -HUP $MAINPID";
        WatchdogSec = 30;
        Restart = "on-failure";
        RestartSec = 2;
        # Wrong arguments and a wrong configuration stay wrong.
        RestartPreventExitStatus = "64 78";
        # systemd adds them up: the drain and five seconds.
        TimeoutStopSec = "${settings.limits.drain_timeout} 5s";

        LoadCredential = lib.mapAttrsToList (name: path: "${name}:${toString path}") service.secrets;
        EnvironmentFile = map toString service.environmentFiles;

        DynamicUser = true;
        UMask = "0077";
        LimitNOFILE = 65536;

        AmbientCapabilities = lib.optional privileged "CAP_NET_BIND_SERVICE";
        CapabilityBoundingSet = if privileged then "CAP_NET_BIND_SERVICE" else "";
        DevicePolicy = "closed";
        KeyringMode = "private";
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        # In a user namespace of its own, the capability would not count on this machine's ports.
        PrivateUsers = !privileged;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
        ];
      }
      // lib.optionalAttrs (settings.storage.path != null) {
        StateDirectory = below "/var/lib" settings.storage.path;
        StateDirectoryMode = "0700";
      }
      // lib.optionalAttrs (lib.hasPrefix "/" settings.audit) {
        LogsDirectory = below "/var/log" (dirOf settings.audit);
        LogsDirectoryMode = "0700";
      }
      // lib.optionalAttrs (lib.versionAtLeast config.systemd.package.version "260") {
        # A reload reads changed secrets too. Older ones keep the credentials of the start: restart there.
        RefreshOnReload = "credentials";
      };
    };
  };
}
