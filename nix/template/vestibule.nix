{
  services.vestibule = {
    enable = true;

    # Every key of docs/configuration.md. A mistake fails the build of the system, and is shown with what to write.
    settings = {
      public_url = "https://mcp.example.com";
      providers.idp = {
        config_url = "https://idp.example.com/.well-known/openid-configuration";
        client_id = "replace-me";
        client_secret.credential = "idp";
        routes = [
          {
            path = "/mcp";
            backend = "http://127.0.0.1:3000/mcp";
          }
        ];
      };
    };

    # A file on the machine that only root can read; agenix and sops-nix make such files.
    secrets.idp = "/etc/secrets/idp";

    # Ends TLS, with a certificate from Let's Encrypt (accept its terms under security.acme).
    nginx.virtualHost = "mcp.example.com";
  };
}
