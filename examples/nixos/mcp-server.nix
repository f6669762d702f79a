# Your MCP server. It listens on loopback only: nobody but Vestibule may send it identity headers.
{ pkgs, lib, ... }:
{
  systemd.services.mcp-server = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "${lib.getExe pkgs.python3} /srv/mcp/server.py";
      DynamicUser = true;
    };
  };
}
