# A whole machine: an MCP server in Python, Vestibule in front of it, nginx with a certificate in front of both.
{
  description = "mcp.example.com";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # OWNER: where you have it from.
    vestibule.url = "github:OWNER/vestibule";
  };

  outputs =
    { nixpkgs, vestibule, ... }:
    {
      nixosConfigurations.gateway = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [
          vestibule.nixosModules.default
          ./gateway.nix
          ./mcp-server.nix
        ];
      };
    };
}
