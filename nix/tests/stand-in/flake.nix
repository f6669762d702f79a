# Stands in for nixpkgs where it cannot be had: what Vestibule's flake uses of it, written from scratch, with no line of
# nixpkgs. What it lacks is an error, never silently right. CI adds host.nix, which says where the host's tools are.
{
  description = "A small stand-in for nixpkgs";

  outputs =
    { self }:
    let
      lib =
        import ./lib.nix
        // import ./modules.nix
        // {
          nixosSystem = import ./nixos.nix { nixpkgs = self; };
        };
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      host = import ./host.nix;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs systems (
        system:
        import ./packages.nix {
          inherit lib system host;
          nixpkgs = self;
        }
      );
    };
}
