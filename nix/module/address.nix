# An address with its port, as the configuration writes it; `local`: how this machine's own programs reach it.
{ lib }:
address:
let
  parts = builtins.match "(.*):([0-9]+)" address;
  host = lib.elemAt parts 0;
  everywhere = {
    "0.0.0.0" = "127.0.0.1";
    "[::]" = "[::1]";
  };
in
if parts == null then
  {
    port = null;
    local = address;
  }
else
  {
    port = lib.toIntBase10 (lib.elemAt parts 1);
    local = "${everywhere.${host} or host}:${lib.elemAt parts 1}";
  }
