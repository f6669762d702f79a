# For those without flakes: `nix-build`, or `pkgs.callPackage` of nix/package.nix from a configuration of your own.
{
  pkgs ? import <nixpkgs> { },
}:
pkgs.callPackage ./nix/package.nix { }
