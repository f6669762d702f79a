# `services.vestibule`: the gateway as a NixOS service. Without the flake, `pkgs.vestibule` has to come from an overlay.
{
  imports = [
    ./module/options.nix
    ./module/assertions.nix
    ./module/service.nix
    ./module/neighbours.nix
  ];
}
