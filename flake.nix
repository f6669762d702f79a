{
  description = "Vestibule: sign in with your identity provider, in front of any MCP server";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      # 12 digits, as `git rev-parse --short=12` gives them to other builds.
      revision = if self ? rev then builtins.substring 0 12 self.rev else "dirty";
      eachSystem = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      package = pkgs: pkgs.callPackage ./nix/package.nix { inherit revision; };
      module = {
        # Imported twice (under both names), it still counts once.
        key = "vestibule#nixosModules.default";
        imports = [
          ./nix/module.nix
          (
            { lib, pkgs, ... }:
            {
              services.vestibule.package =
                lib.mkDefault
                  self.packages.${pkgs.stdenv.hostPlatform.system}.vestibule;
            }
          )
        ];
      };
    in
    {
      packages = eachSystem (
        pkgs:
        let
          vestibule = package pkgs;
        in
        {
          inherit vestibule;
          default = vestibule;
          schema = pkgs.callPackage ./nix/schema.nix { inherit vestibule; };
          docs = pkgs.callPackage ./nix/docs.nix { inherit revision; };
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          container = pkgs.callPackage ./nix/container.nix {
            inherit vestibule revision;
            created = self.lastModifiedDate or "19700101000001";
          };
        }
      );

      apps = eachSystem (
        pkgs:
        let
          vestibule = self.packages.${pkgs.stdenv.hostPlatform.system}.vestibule;
          app = description: program: {
            type = "app";
            inherit program;
            meta = { inherit description; };
          };
        in
        {
          default = app "Run the gateway, or any of its commands" (lib.getExe vestibule);
          validate = app "Check a configuration without its secrets" (
            lib.getExe (
              pkgs.writeShellApplication {
                name = "vestibule-validate";
                text = ''exec ${lib.getExe vestibule} check --without-secrets "$@"'';
              }
            )
          );
        }
      );

      overlays.default = final: _: { vestibule = package final; };

      nixosModules = {
        default = module;
        vestibule = module;
      };

      checks = eachSystem (
        pkgs:
        pkgs.callPackage ./nix/checks.nix {
          vestibule = self.packages.${pkgs.stdenv.hostPlatform.system}.vestibule;
          nixosModule = module;
          repository = self;
        }
      );

      devShells = eachSystem (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);

      templates.default = {
        path = ./nix/template;
        description = "A NixOS machine with Vestibule in front of an MCP server";
      };
    };
}
