{
  description = "A NixOS machine with Vestibule in front of an MCP server";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # OWNER: where you have it from.
    vestibule.url = "github:OWNER/vestibule";
  };

  outputs =
    { nixpkgs, vestibule, ... }:
    {
      nixosConfigurations.machine = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          vestibule.nixosModules.default
          ./vestibule.nix
          # ./configuration.nix and ./hardware-configuration.nix: the rest of your machine
        ];
      };
    };
}
