# What can be said. The configuration file is free: only what the service depends on has a type of its own, the rest is
# what docs/configuration.md says, and `vestibule check` judges it when the system is built.
{
  lib,
  pkgs,
  config,
  ...
}:
let
  inherit (lib) mkOption types;
  format = pkgs.formats.yaml { };

  storage = types.submodule (
    { config, ... }:
    {
      freeformType = format.type;
      options = {
        backend = mkOption {
          type = types.str;
          default = "embedded";
          description = "The kind of store.";
        };
        path = mkOption {
          type = types.nullOr types.str;
          default = if config.backend == "embedded" then "/var/lib/vestibule" else null;
          defaultText = lib.literalExpression ''"/var/lib/vestibule"'';
          description = "The embedded store's folder, below `/var/lib`.";
        };
      };
    }
  );

  settings = types.submodule {
    freeformType = format.type;
    options = {
      listen = mkOption {
        type = types.str;
        default = "127.0.0.1:8000";
        example = "[::]:443";
        description = "Where clients, or the reverse proxy in front, connect.";
      };
      admin_listen = mkOption {
        type = types.str;
        default = "127.0.0.1:9464";
        description = "Where metrics, health and status are, for operators only; or `off`.";
      };
      storage = mkOption {
        type = types.coercedTo types.str (backend: { inherit backend; }) storage;
        default = { };
        example = "memory";
        description = "Where grants and keys live: the name of a backend, or a table.";
      };
      audit = mkOption {
        type = types.str;
        default = "off";
        example = "/var/log/vestibule/audit.jsonl";
        description = "Where the audit log goes: `off`, `stdout` (the journal), or a file below `/var/log`.";
      };
      limits = mkOption {
        type = types.submodule {
          freeformType = format.type;
          options.drain_timeout = mkOption {
            type = types.str;
            default = "30s";
            description = "How long running requests may go on when the service stops.";
          };
        };
        default = { };
        description = "Bounds of the public listener.";
      };
    };
  };
in
{
  options.services.vestibule = {
    enable = lib.mkEnableOption "Vestibule, which puts a sign-in in front of MCP servers";

    package = lib.mkPackageOption pkgs "vestibule" { };

    settings = mkOption {
      type = settings;
      default = { };
      example = lib.literalExpression ''
        {
          public_url = "https://mcp.example.com";
          providers.auth0 = {
            preset = "auth0";
            domain = "example.eu.auth0.com";
            client_id = "tv2ObNgaZAWWhhycr7Bz1LU2mxlnsmsB";
            client_secret.credential = "auth0";
            audience = "https://api.example.com";
            routes = [
              {
                path = "/mcp";
                backend = "http://127.0.0.1:3000/mcp";
              }
            ];
          };
        }
      '';
      description = ''
        The configuration, with the keys of Vestibule's own file. It becomes `/etc/vestibule/vestibule.yaml`, is checked
        when the system is built, and is reloaded without a restart. It can be read by everybody on this machine:
        secrets are `{ credential = "NAME"; }` (one of `secrets`), `{ file = "PATH"; }` or `{ env = "NAME"; }`.
        The two files of `tls` can be `{ credential = "NAME"; }` as well.
      '';
    };

    secrets = mkOption {
      type = types.attrsOf types.path;
      default = { };
      example = lib.literalExpression "{ auth0 = config.age.secrets.auth0.path; }";
      description = ''
        Files with secrets, by the name under which `settings` refers to them. systemd reads them as root and hands them to
        the service as credentials, so they can belong to root alone. They must not be in the store.
      '';
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        VESTIBULE_LOG = "debug";
      };
      description = "Variables of the service. They win over `settings`, and are checked together with them.";
    };

    environmentFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/run/secrets/vestibule.env" ];
      description = "Files with variables for `{ env = \"NAME\"; }`; read when the service starts. They must not be in the store.";
    };

    checkConfig = mkOption {
      type = types.bool;
      default = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
      defaultText = lib.literalMD "whether the machine that builds can run the program";
      description = "Whether a mistake in `settings` fails the build of the system. Secrets are not needed for that.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to open the port of `settings.listen`.";
    };

    prometheus.enable = lib.mkEnableOption "a scrape and the alert rules of Vestibule in this machine's Prometheus";

    nginx.virtualHost = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "mcp.example.com";
      description = "The virtual host of this machine's nginx that ends TLS and passes everything on to Vestibule.";
    };

    caddy.virtualHost = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "mcp.example.com";
      description = "The virtual host of this machine's Caddy that ends TLS and passes everything on to Vestibule.";
    };

    configFile = mkOption {
      type = types.path;
      readOnly = true;
      defaultText = lib.literalMD "made from `settings`";
      default = import ./config-file.nix {
        inherit lib pkgs;
        service = config.services.vestibule;
      };
      description = "The configuration file in the store, checked.";
    };
  };
}
