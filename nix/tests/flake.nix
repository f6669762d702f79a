# What the module makes of settings, for CI to compare with golden/ (see .ci/nix). Not for users.
{
  description = "Cases of Vestibule's NixOS module";

  # CI says which ones: this repository, and the stand-in.
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    vestibule.url = "path:../..";
    vestibule.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, vestibule, ... }:
    let
      inherit (nixpkgs) lib;
      pkgs = nixpkgs.legacyPackages.x86_64-linux;
      cases = import ./cases.nix;
      machine =
        module:
        (nixpkgs.lib.nixosSystem {
          system = "x86_64-linux";
          modules = [
            vestibule.nixosModules.default
            # Under its other name it is the same module.
            vestibule.nixosModules.vestibule
            { services.vestibule.enable = true; }
            module
          ];
        }).config;

      good =
        name: module:
        let
          inherit (machine module) system;
          rest = pkgs.writeText "rest.json" (builtins.toJSON system.build.rest);
        in
        ''
          mkdir "$out/${name}"
          cp ${system.build.toplevel}/vestibule.service "$out/${name}/"
          cp ${system.build.toplevel}/etc/vestibule/vestibule.yaml "$out/${name}/"
          cp ${rest} "$out/${name}/rest.json"
        '';
      refused =
        name: module:
        let
          messages = lib.concatMapStringsSep "\n" lib.trim (machine module).system.build.refusals;
        in
        ''
          cp ${pkgs.writeText "refused" "${messages}\n"} "$out/${name}.refused"
        '';
      all = make: modules: lib.concatStringsSep "\n" (lib.mapAttrsToList make modules);
    in
    {
      packages.x86_64-linux.cases = pkgs.runCommand "cases" { } ''
        mkdir "$out"
        ${all good cases.good}
        ${all refused cases.refused}
      '';

      # Each builds its configuration file, which `vestibule check` has to refuse.
      wrong = lib.mapAttrs (_: module: (machine module).services.vestibule.configFile) cases.wrong;

      # Each is refused by a type.
      untyped = lib.mapAttrs (_: module: (machine module).system.build.toplevel) cases.untyped;
    };
}
