# `nixosSystem`: the parts of NixOS that the module sets, and units written as NixOS writes them.
{ nixpkgs }:
{
  modules,
  system ? "x86_64-linux",
  specialArgs ? { },
}:
let
  inherit (nixpkgs) lib;
  inherit (lib) mkOption types;
  pkgs = nixpkgs.legacyPackages.${system};
  list = mkOption {
    type = types.listOf types.anything;
    default = [ ];
  };
  free = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  text = mkOption {
    type = types.str;
    default = "";
  };

  line =
    key: value:
    "${key}=${
      if value == true then
        "true"
      else if value == false then
        "false"
      else
        toString value
    }\n";
  lines = key: value: lib.concatMapStrings (line key) (if lib.isList value then value else [ value ]);
  section = name: set: "[${name}]\n${lib.concatStringsSep "" (lib.mapAttrsToList lines set)}";
  unit =
    service:
    lib.concatStringsSep "\n" ([
      (section "Unit" (
        {
          After = service.after;
          Description = service.description;
          Documentation = service.documentation;
          Wants = service.wants;
        }
        // lib.optionalAttrs (service.reloadTriggers != [ ]) {
          X-Reload-Triggers = toString service.reloadTriggers;
        }
        // lib.optionalAttrs (service.restartTriggers != [ ]) {
          X-Restart-Triggers = toString service.restartTriggers;
        }
      ))
      (section "Service" (
        {
          Environment = lib.mapAttrsToList (
            name: value: builtins.toJSON "${name}=${value}"
          ) service.environment;
        }
        // service.serviceConfig
      ))
      (section "Install" { WantedBy = service.wantedBy; })
    ]);

  machine =
    { config, ... }:
    {
      freeformType = types.attrsOf types.anything;
      options = {
        assertions = list;
        environment = {
          etc = free;
          systemPackages = list;
        };
        networking.firewall.allowedTCPPorts = list;
        services = {
          caddy = free;
          dex = free;
          nginx = free;
          prometheus = free;
        };
        system = {
          build = mkOption { type = types.raw; };
          stateVersion = text;
        };
        systemd = {
          package = mkOption {
            type = types.anything;
            # CI's own, which checks the units.
            default.version = "252";
          };
          services = mkOption {
            default = { };
            type = types.attrsOf (
              types.submodule {
                freeformType = types.attrsOf types.anything;
                options = {
                  after = list;
                  description = text;
                  documentation = list;
                  environment = free;
                  reloadTriggers = list;
                  restartTriggers = list;
                  serviceConfig = free;
                  wantedBy = list;
                  wants = list;
                };
              }
            );
          };
        };
      };

      config.system.build =
        let
          refused = lib.filter (assertion: !assertion.assertion) config.assertions;
          units = lib.mapAttrsToList (
            name: service: "cp ${pkgs.writeText "${name}.service" (unit service)} $out/${name}.service"
          ) config.systemd.services;
          etc = lib.mapAttrsToList (
            name: file: ''install -Dm444 "$(readlink -f ${file.source})" "$out/etc/${name}"''
          ) config.environment.etc;
        in
        {
          refusals = map (assertion: assertion.message) refused;
          # What the module sets besides, for those who compare.
          rest = {
            inherit (config.networking.firewall) allowedTCPPorts;
            inherit (config.services) caddy nginx prometheus;
          };
          toplevel =
            if refused != [ ] then
              throw "\nFailed assertions:\n${
                lib.concatMapStringsSep "\n" (assertion: "- ${assertion.message}") refused
              }"
            else
              pkgs.runCommand "nixos-system-stand-in" { } (
                lib.concatStringsSep "\n" ([ "mkdir -p $out" ] ++ units ++ etc)
              );
        };
    };
in
lib.evalModules {
  specialArgs = specialArgs // {
    inherit pkgs;
  };
  modules = [ machine ] ++ modules;
}
