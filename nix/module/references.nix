# How `settings` speak of secrets: what they refer to, and what they must not hold.
{ lib }:
let
  isCredential = value: lib.isAttrs value && lib.attrNames value == [ "credential" ];
  isReference =
    value:
    lib.isAttrs value
    && lib.elem (lib.attrNames value) [
      [ "credential" ]
      [ "env" ]
      [ "file" ]
    ];
  isSecretKey =
    name:
    name == "secret"
    || lib.hasSuffix "_secret" name
    || name == "password"
    || lib.hasSuffix "_password" name;

  # Credentials of `LoadCredential=` are files in a folder that the service's environment names.
  credentialPath = name: "\${CREDENTIALS_DIRECTORY}/${name}";

  # Everything in a value as `{ path, value, secret }`; `secret`: it stands at a key that only secrets have.
  walk =
    path: secret: value:
    if isReference value then
      [ { inherit path secret value; } ]
    else if lib.isAttrs value && !lib.isDerivation value then
      lib.concatLists (lib.mapAttrsToList (name: walk (path ++ [ name ]) (isSecretKey name)) value)
    else if lib.isList value then
      lib.concatLists (lib.imap1 (number: walk (path ++ [ (toString number) ]) secret) value)
    else
      [ { inherit path secret value; } ];

  inStore = path: lib.hasPrefix builtins.storeDir (toString path);
  # A path that is no text is copied there when the file is generated.
  goesToStore = path: builtins.isPath path || inStore path;

  # Texts that are secrets wherever they stand.
  carriesSecret =
    text:
    builtins.match ".*[a-z]://[^/@]*:[^/@]+@.*" text != null || lib.hasInfix "PRIVATE KEY-----" text;
in
{
  inherit inStore;

  # The settings as the program reads them.
  resolve =
    let
      go =
        secret: value:
        if isCredential value then
          let
            path = credentialPath value.credential;
          in
          if secret then { file = path; } else path
        else if lib.isAttrs value && !lib.isDerivation value then
          lib.mapAttrs (name: go (isSecretKey name)) (lib.filterAttrs (_: part: part != null) value)
        else if lib.isList value then
          map (go secret) value
        else
          value;
    in
    go false;

  # Where secrets are written out, or are files that everybody can read.
  exposed =
    settings:
    let
      wrong =
        {
          path,
          secret,
          value,
        }:
        if isReference value then
          value ? file && goesToStore value.file
        else if lib.isString value || builtins.isPath value then
          secret || carriesSecret (toString value) || (lib.last path == "key" && goesToStore value)
        else
          false;
    in
    map (found: lib.concatStringsSep "." found.path) (lib.filter wrong (walk [ ] false settings));

  # Names of credentials that `settings` refer to, each with where.
  credentials =
    settings:
    map (found: {
      name = found.value.credential;
      at = lib.concatStringsSep "." found.path;
    }) (lib.filter (found: isCredential found.value) (walk [ ] false settings));
}
