let
  provider = {
    config_url = "https://idp.example.com/.well-known/openid-configuration";
    client_id = "an-application";
    routes = [
      {
        path = "/mcp";
        backend = "http://127.0.0.1:3000/mcp";
      }
    ];
  };
  minimal = {
    public_url = "https://mcp.example.com";
    providers.idp = provider;
  };
  with' = more: {
    services.vestibule = {
      settings = minimal;
    }
    // more;
  };
  withProvider = more: {
    services.vestibule.settings = minimal // {
      providers.idp = provider // more;
    };
  };
in
{
  # Unit, configuration file and the rest are compared with golden/NAME/.
  good = {
    minimal = with' { };

    secrets = {
      services.vestibule = {
        settings = minimal // {
          secret = [
            { credential = "root-new"; }
            { credential = "root-old"; }
          ];
          tls = {
            certificate.credential = "tls-certificate";
            key.credential = "tls-key";
          };
          providers = {
            entra = provider // {
              preset = "entra";
              config_url = null;
              tenant_id = "2a1b3c4d-0000-4000-8000-1234567890ab";
              client_secret.credential = "entra";
              identifier_uri = "api://an-application";
              required_scopes = [ "mcp" ];
            };
            other = provider // {
              client_secret.env = "OTHER_SECRET";
              clients = [
                {
                  client_id = "reports";
                  secret.file = "/run/secrets/reports";
                  redirect_uris = [ "https://reports.example.com/callback" ];
                }
              ];
            };
          };
        };
        secrets = {
          entra = "/run/agenix/entra";
          root-new = "/run/agenix/root-new";
          root-old = "/run/agenix/root-old";
          tls-certificate = "/etc/ssl/mcp.example.com.pem";
          tls-key = "/etc/ssl/mcp.example.com.key";
        };
        environmentFiles = [ "/run/secrets/vestibule.env" ];
      };
    };

    # Its own TLS on port 443, no proxy; a newer systemd.
    edge = {
      services.vestibule = {
        settings = minimal // {
          listen = "[::]:443";
          audit = "/var/log/vestibule/audit.jsonl";
          limits = {
            drain_timeout = "2m 30s";
            connections = 20000;
          };
          tls = {
            certificate = "/var/lib/acme/mcp.example.com/fullchain.pem";
            key = "/var/lib/acme/mcp.example.com/key.pem";
          };
        };
        openFirewall = true;
        environment.VESTIBULE_LOG = "debug";
      };
      systemd = {
        package.version = "260.1";
        services.vestibule.serviceConfig.SupplementaryGroups = [ "acme" ];
      };
    };

    neighbours = with' {
      settings = minimal // {
        admin_listen = "0.0.0.0:9464";
        storage = "memory";
        trusted_proxies = [ "10.0.0.0/8" ];
      };
      nginx.virtualHost = "mcp.example.com";
      caddy.virtualHost = "mcp.example.org";
      prometheus.enable = true;
    };
  };

  # Assertions; their messages are compared with golden/NAME.refused.
  refused = {
    inline-secret = withProvider { client_secret = "written-out-in-full"; };
    inline-root-secrets = with' {
      settings = minimal // {
        secret = [
          { file = "/run/agenix/root"; }
          "written-out-in-full-and-long-enough"
        ];
      };
    };
    store-path = with' { secrets.idp = ./cases.nix; };
    store-path-as-text = with' { secrets.idp = "${builtins.storeDir}/abc-secret"; };
    store-path-in-settings = withProvider { client_secret.file = "${./cases.nix}"; };
    private-key = with' {
      settings = minimal // {
        tls = {
          certificate = ./cases.nix;
          key = ./cases.nix;
        };
      };
    };
    password-in-a-url = withProvider {
      routes = [
        {
          path = "/mcp";
          backend = "http://admin:hunter2@127.0.0.1:3000/mcp";
        }
      ];
    };
    unknown-credential = withProvider { client_secret.credential = "idp"; };
    credential-name = with' { secrets."a b" = "/run/agenix/a"; };
    environment = with' {
      environment.VESTIBULE_IDP_CLIENT_SECRET = "written-out-in-full";
      environmentFiles = [ ./cases.nix ];
    };
    folders = with' {
      settings = minimal // {
        storage.path = "/srv/vestibule";
        audit = "/srv/audit.jsonl";
      };
    };
    neighbours = with' {
      settings = minimal // {
        listen = "\${LISTEN}";
        admin_listen = "off";
      };
      prometheus.enable = true;
      openFirewall = true;
    };
  };

  # `vestibule check` refuses the file, so it is not built.
  wrong = {
    unknown-key = withProvider { clientid = "x"; };
    environment = with' { environment.VESTIBULE_LISTEN = "nowhere"; };
    nothing = { };
  };

  # A type refuses them.
  untyped = {
    listen = with' {
      settings = minimal // {
        listen = 8000;
      };
    };
    unknown-option = with' { openFireWall = true; };
    secrets = with' { secrets.idp = "written-out-in-full"; };
  };
}
