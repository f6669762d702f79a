# What stands beside it on the same machine, if it is wanted: a proxy that ends TLS, and Prometheus.
{ lib, config, ... }:
let
  service = config.services.vestibule;
  address = import ./address.nix { inherit lib; };
  listen = (address service.settings.listen).local;
  hasProxy = service.nginx.virtualHost != null || service.caddy.virtualHost != null;
in
{
  config = lib.mkIf service.enable (
    lib.mkMerge [
      (lib.mkIf hasProxy {
        # Both connect over loopback, and both replace what clients claim about themselves.
        services.vestibule.settings.trusted_proxies = [
          "127.0.0.1"
          "::1"
        ];
      })

      (lib.mkIf (service.nginx.virtualHost != null) {
        services.nginx = {
          enable = true;
          virtualHosts.${service.nginx.virtualHost} = {
            forceSSL = lib.mkDefault true;
            enableACME = lib.mkDefault true;
            # The whole host: discovery documents are at its root.
            locations."/" = {
              proxyPass = "http://${listen}";
              proxyWebsockets = true;
              # Says the same as below, but adds to X-Forwarded-For what the client sent.
              recommendedProxySettings = false;
              extraConfig = ''
                proxy_set_header Host $http_host;
                proxy_set_header X-Forwarded-For $remote_addr;
                proxy_set_header X-Forwarded-Proto $scheme;
                proxy_set_header Forwarded "";
                proxy_buffering off;
                proxy_request_buffering off;
                proxy_read_timeout 1h;
                proxy_send_timeout 1h;
                client_max_body_size 0;
              '';
            };
          };
        };
      })

      (lib.mkIf (service.caddy.virtualHost != null) {
        services.caddy = {
          enable = true;
          virtualHosts.${service.caddy.virtualHost}.extraConfig = ''
            reverse_proxy ${listen} {
              header_up -Forwarded
            }
          '';
        };
      })

      (lib.mkIf service.prometheus.enable {
        services.prometheus = {
          scrapeConfigs = [
            {
              job_name = "vestibule";
              static_configs = [ { targets = [ (address service.settings.admin_listen).local ]; } ];
            }
          ];
          ruleFiles = [ "${service.package}/share/vestibule/prometheus/vestibule.rules.yml" ];
        };
      })
    ]
  );
}
