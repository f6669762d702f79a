# Functions of `nixpkgs.lib`, by their names and with their meaning there.
let
  inherit (builtins)
    attrNames
    elemAt
    filter
    foldl'
    genList
    isAttrs
    length
    listToAttrs
    match
    replaceStrings
    stringLength
    substring
    ;
in
rec {
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    functionArgs
    head
    intersectAttrs
    isAttrs
    isFunction
    isList
    isString
    length
    listToAttrs
    mapAttrs
    ;

  # Conditions
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: values: if condition then values else { };
  optionalString = condition: text: if condition then text else "";
  assertMsg = condition: message: condition || throw message;

  # Lists
  last = list: elemAt list (length list - 1);
  imap1 = f: list: genList (index: f (index + 1) (elemAt list index)) (length list);
  concatMapStringsSep =
    separator: f: list:
    concatStringsSep separator (map f list);
  concatMapStrings = concatMapStringsSep "";

  # Attribute sets
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  filterAttrs = keep: set: removeAttrs set (filter (name: !(keep name set.${name})) (attrNames set));
  isDerivation = value: isAttrs value && value.type or null == "derivation";
  recursiveUpdate =
    left: right:
    left
    // builtins.mapAttrs (
      name: value:
      if left ? ${name} && isAttrs left.${name} && isAttrs value then
        recursiveUpdate left.${name} value
      else
        value
    ) right;

  # Texts
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      start = stringLength text - stringLength suffix;
    in
    start >= 0 && substring start (-1) text == suffix;
  hasInfix = part: text: replaceStrings [ part ] [ "" ] text != text;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  trim =
    text:
    let
      found = match "[[:space:]]*(.*[^[:space:]])[[:space:]]*" text;
    in
    if found == null then "" else elemAt found 0;
  escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  toIntBase10 = text: builtins.fromJSON (elemAt (match "0*([0-9]+)" text) 0);
  getVersion = package: package.version;
  versionAtLeast = version: least: builtins.compareVersions version least >= 0;

  # Files
  importTOML = path: fromTOML (builtins.readFile path);
  fileset = {
    unions = files: files;
    # Really only these files: a build with the stand-in shows that they are enough.
    toSource =
      { root, fileset }:
      builtins.path {
        name = "source";
        path = root;
        filter =
          path: _:
          let
            isAbove = file: hasPrefix "${path}/" (toString file);
            isBelow = file: path == toString file || hasPrefix "${toString file}/" path;
          in
          builtins.any (file: isAbove file || isBelow file) fileset;
      };
  };

  # Packages
  getExe = package: "${package}/bin/${package.meta.mainProgram}";
  getExe' = package: name: "${package}/bin/${name}";
  callPackageWith =
    available: file: arguments:
    let
      function = if builtins.isFunction file then file else import file;
    in
    function (builtins.intersectAttrs (builtins.functionArgs function) available // arguments);
  licenses = genAttrs [ "asl20" "mit" ] (shortName: {
    inherit shortName;
  });
  platforms = {
    darwin = [ "aarch64-darwin" ];
    linux = [
      "aarch64-linux"
      "x86_64-linux"
    ];
  };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
}
