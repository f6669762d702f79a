# The configuration file: generated, and refused by the build if the program would refuse it.
{
  lib,
  pkgs,
  service,
}:
let
  references = import ./references.nix { inherit lib; };
  generated = (pkgs.formats.yaml { }).generate "vestibule.yaml" (references.resolve service.settings);
in
if !service.checkConfig then
  generated
else
  pkgs.runCommand "vestibule.yaml"
    {
      nativeBuildInputs = [ service.package ];
      env = service.environment // {
        # Credentials are not here yet; they are not read either.
        CREDENTIALS_DIRECTORY = "/run/credentials/vestibule.service";
      };
    }
    ''
      # The name is what mistakes are reported in.
      ln -s ${generated} vestibule.yaml
      vestibule check --without-secrets --config vestibule.yaml
      cp vestibule.yaml "$out"
    ''
