{
  services.vestibule = {
    enable = true;

    settings = {
      version = 1;
      public_url = "https://mcp.example.com";
      providers.auth0 = {
        preset = "auth0";
        domain = "example.eu.auth0.com";
        client_id = "tv2ObNgaZAWWhhycr7Bz1LU2mxlnsmsB";
        client_secret.credential = "auth0";
        audience = "https://api.example.com";
        required_scopes = [
          "openid"
          "email"
        ];
        policy.email_domains = [ "example.com" ];
        routes = [
          {
            path = "/mcp";
            backend = "http://127.0.0.1:3000/mcp";
          }
        ];
      };
    };

    # With agenix: config.age.secrets.auth0.path; with sops-nix: config.sops.secrets.auth0.path.
    secrets.auth0 = "/etc/secrets/auth0";

    nginx.virtualHost = "mcp.example.com";
    prometheus.enable = true;
  };

  security.acme = {
    acceptTerms = true;
    defaults.email = "operator@example.com";
  };
  networking.firewall.allowedTCPPorts = [
    80
    443
  ];
  services.prometheus.enable = true;

  system.stateVersion = "26.05";
}
