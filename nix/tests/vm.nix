# One machine with everything on it: an identity provider (Dex), an MCP server, Prometheus' format read by curl, and
# Vestibule by this module. Somebody signs in; then the configuration changes, for better and for worse, and secrets do.
{ nixosModule }:
{
  name = "vestibule";

  nodes.machine =
    { pkgs, lib, ... }:
    {
      imports = [ nixosModule ];

      services.dex = {
        enable = true;
        settings = {
          issuer = "http://127.0.0.1:5556/dex";
          storage.type = "memory";
          web.http = "127.0.0.1:5556";
          oauth2.skipApprovalScreen = true;
          staticClients = [
            {
              id = "vestibule";
              name = "Vestibule";
              redirectURIs = [ "http://127.0.0.1:8000/auth/callback" ];
              secret = "the-secret-of-the-application";
            }
          ];
          # Signs in the same person each time, and asks nothing.
          connectors = [
            {
              type = "mockCallback";
              id = "mock";
              name = "Mock";
            }
          ];
        };
      };

      systemd.services.mcp-server = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${lib.getExe pkgs.python3} ${./mcp_server.py} 3000";
          DynamicUser = true;
        };
      };

      # As agenix and sops-nix make them: for root alone, and not in the store.
      systemd.tmpfiles.rules = [
        "f+ /run/secrets/idp 0400 root root - the-secret-of-the-application"
      ];

      services.vestibule = {
        enable = true;
        settings = {
          public_url = "http://127.0.0.1:8000";
          providers.dex = {
            config_url = "http://127.0.0.1:5556/dex/.well-known/openid-configuration";
            allow_insecure_http = true;
            client_id = "vestibule";
            client_secret.credential = "idp";
            required_scopes = [
              "openid"
              "email"
            ];
            routes = [
              {
                path = "/mcp";
                backend = "http://127.0.0.1:3000/mcp";
              }
            ];
          };
        };
        secrets.idp = "/run/secrets/idp";
      };

      # The same machine with one route more.
      specialisation.changed.configuration.services.vestibule.settings.providers.dex.routes = [
        {
          path = "/second";
          backend = "http://127.0.0.1:3000/mcp";
        }
      ];

      environment.systemPackages = [
        pkgs.curl
        pkgs.python3
      ];
    };

  testScript = ''
    sign_in = "python3 ${./sign_in.py}"
    admin = "http://127.0.0.1:9464"


    def pid():
        return machine.succeed("systemctl show --property MainPID --value vestibule").strip()


    def metric(name):
        return machine.succeed(f"curl --fail --silent {admin}/metrics | grep '^{name} '").split()[-1]


    def status(path):
        return machine.succeed(
            f"curl --silent --output /dev/null --write-out '%{{http_code}}' --request POST http://127.0.0.1:8000{path}"
        )


    machine.wait_for_unit("dex.service")
    machine.wait_for_open_port(5556)
    machine.wait_for_unit("mcp-server.service")
    machine.wait_for_unit("vestibule.service")

    with subtest("somebody signs in and calls the MCP server"):
        assert status("/mcp") == "401"
        who = machine.succeed(f"{sign_in} http://127.0.0.1:8000/mcp")
        assert "kilgore@kilgore.trout" in who, who

    with subtest("the service has no more rights than it needs"):
        exposure = machine.succeed("systemd-analyze security vestibule.service --threshold 15")
        print(exposure)
        machine.fail("runuser -u nobody -- ls /var/lib/private/vestibule")
        machine.fail("runuser -u nobody -- cat /run/secrets/idp")

    with subtest("a changed configuration is reloaded, not restarted"):
        before = pid()
        assert status("/second") == "404"
        machine.succeed("/run/booted-system/specialisation/changed/bin/switch-to-configuration test")
        machine.wait_until_succeeds("test $(curl -so /dev/null -w '%{http_code}' -X POST http://127.0.0.1:8000/second) = 401")
        assert pid() == before

    with subtest("a reload keeps the process and its streams"):
        machine.succeed("systemctl reload vestibule")
        assert pid() == before
        assert status("/mcp") == "401"

    with subtest("a wrong file changes nothing, and says so"):
        machine.succeed("rm /etc/vestibule/vestibule.yaml && echo 'listen: nowhere' >/etc/vestibule/vestibule.yaml")
        machine.succeed("systemctl reload vestibule")
        machine.wait_until_succeeds(
            f"curl --fail --silent {admin}/metrics | grep '^vestibule_config_last_reload_successful 0'"
        )
        assert pid() == before
        assert status("/second") == "401"
        machine.succeed("/run/booted-system/specialisation/changed/bin/switch-to-configuration test")
        machine.succeed("systemctl reload vestibule")
        machine.wait_until_succeeds(
            f"curl --fail --silent {admin}/metrics | grep '^vestibule_config_last_reload_successful 1'"
        )

    with subtest("a changed secret is in force after a restart, and everybody stays signed in"):
        machine.succeed(f"{sign_in} --keep /root/tokens.json http://127.0.0.1:8000/mcp")
        machine.succeed("printf wrong-secret-of-the-application >/run/secrets/idp")
        machine.succeed("systemctl restart vestibule")
        machine.wait_for_unit("vestibule.service")
        machine.fail(f"{sign_in} http://127.0.0.1:8000/mcp")
        machine.succeed(f"{sign_in} --use /root/tokens.json http://127.0.0.1:8000/mcp")
        machine.succeed("printf the-secret-of-the-application >/run/secrets/idp")
        machine.succeed("systemctl restart vestibule")
        machine.wait_for_unit("vestibule.service")
        machine.succeed(f"{sign_in} http://127.0.0.1:8000/mcp")
  '';
}
