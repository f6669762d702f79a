# What neither a type nor `vestibule check` can see: secrets in a store that everybody can read, and folders that a
# service without a fixed user cannot write to.
{ lib, config, ... }:
let
  service = config.services.vestibule;
  inherit (service) settings;
  references = import ./references.nix { inherit lib; };

  exposed = map (at: {
    assertion = false;
    message = ''
      services.vestibule.settings.${at} would put a secret into the store, where everybody can read it.
      Write `{ credential = "NAME"; }` there, and the file with it under services.vestibule.secrets.NAME.
    '';
  }) (references.exposed settings);

  unknown = map (reference: {
    assertion = service.secrets ? ${reference.name};
    message = ''
      services.vestibule.settings.${reference.at} names the credential "${reference.name}".
      Say which file it is: services.vestibule.secrets.${reference.name} = "/run/…";
    '';
  }) (references.credentials settings);

  secrets = lib.concatLists (
    lib.mapAttrsToList (name: path: [
      {
        assertion = !references.inStore path;
        message = ''
          services.vestibule.secrets.${name} is in the store, where everybody can read it.
          Name a file that is on the machine only, as agenix and sops-nix make them: "/run/agenix/${name}".
        '';
      }
      {
        assertion = builtins.match "[A-Za-z0-9._-]+" name != null;
        message = "services.vestibule.secrets.\"${name}\": a name has letters, digits, `.`, `_` and `-`.";
      }
    ]) service.secrets
  );

  environmentFiles = map (path: {
    assertion = !references.inStore path;
    message = "services.vestibule.environmentFiles has ${toString path}, which is in the store, where everybody can read it.";
  }) service.environmentFiles;

  environment = map (name: {
    assertion =
      !(lib.hasInfix "SECRET" name || lib.hasInfix "PASSWORD" name) || lib.hasSuffix "_FILE" name;
    message = ''
      services.vestibule.environment.${name} would put a secret into the store, where everybody can read it.
      Use services.vestibule.secrets, or a file of services.vestibule.environmentFiles.
    '';
  }) (lib.attrNames service.environment);

  below = folder: path: lib.hasPrefix "${folder}/" path && !lib.hasInfix "/.." path;
in
{
  config = lib.mkIf service.enable {
    assertions =
      exposed
      ++ unknown
      ++ secrets
      ++ environmentFiles
      ++ environment
      ++ [
        {
          assertion = settings.storage.path == null || below "/var/lib" settings.storage.path;
          message = ''
            services.vestibule.settings.storage.path is ${toString settings.storage.path}, and has to be below /var/lib:
            the service's user is made at each start and owns nothing else.
          '';
        }
        {
          assertion =
            !lib.hasPrefix "/" settings.audit || builtins.match "/var/log/[^/.][^/]*/.*" settings.audit != null;
          message = ''
            services.vestibule.settings.audit is ${settings.audit}, and has to be in a folder below /var/log:
            the service's user is made at each start and owns nothing else.
          '';
        }
        {
          assertion = !service.prometheus.enable || settings.admin_listen != "off";
          message = "services.vestibule.prometheus.enable needs services.vestibule.settings.admin_listen, which is off.";
        }
        {
          assertion =
            !service.openFirewall || (import ./address.nix { inherit lib; } settings.listen).port != null;
          message = "services.vestibule.openFirewall needs the port in services.vestibule.settings.listen, which is ${settings.listen}.";
        }
      ];
  };
}
