# The options of the NixOS module, as CommonMark and as JSON.
{
  lib,
  pkgs,
  nixosOptionsDoc,
  runCommand,
  revision ? "unknown",
}:
let
  evaluated = lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [
      ./module.nix
      # Only the options are looked at; what the module sets belongs to NixOS, which is not here.
      { _module.check = false; }
    ];
  };
  document = nixosOptionsDoc {
    options = { inherit (evaluated.options) services; };
    inherit revision;
    # A path in the store tells a reader nothing.
    transformOptions = option: option // { declarations = [ ]; };
  };
in
runCommand "vestibule-docs" { } ''
  mkdir -p "$out/share/doc/vestibule"
  cp ${document.optionsCommonMark} "$out/share/doc/vestibule/options.md"
  cp ${document.optionsJSON}/share/doc/nixos/options.json "$out/share/doc/vestibule/options.json"
''
