# The module system of `nixpkgs.lib`: options, types, priorities, freeform settings. Values are merged as there; messages
# are shorter.
let
  lib = import ./lib.nix;
  inherit (builtins)
    all
    any
    attrNames
    concatMap
    elem
    filter
    foldl'
    functionArgs
    head
    intersectAttrs
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    mapAttrs
    match
    ;
  show = lib.concatStringsSep ".";

  # A definition through if, merge and override: a list of { priority, value }.
  definitions =
    value:
    let
      kind = if isAttrs value then value._type or null else null;
    in
    if kind == "if" then
      lib.optionals value.condition (definitions value.content)
    else if kind == "merge" then
      concatMap definitions value.contents
    else if kind == "override" then
      map (definition: definition // { inherit (value) priority; }) (definitions value.content)
    else
      [
        {
          priority = 100;
          inherit value;
        }
      ];

  # if, merge and override go down to the values, so that names never depend on conditions.
  byName =
    config:
    let
      kind = config._type or null;
      each = wrap: map (mapAttrs (_: wrap)) (byName config.content);
    in
    if kind == "merge" then
      concatMap byName config.contents
    else if kind == "if" then
      each (mkIf config.condition)
    else if kind == "override" then
      each (mkOverride config.priority)
    else
      [ config ];

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOption = option: { _type = "option"; } // option;
  isOption = value: isAttrs value && value._type or null == "option";

  merge =
    loc: type: found:
    let
      strongest = foldl' (least: d: if d.priority < least then d.priority else least) 9999 found;
      counting = filter (d: d.priority == strongest) found;
    in
    if !all (d: type.check d.value) counting then
      throw "A definition for option `${show loc}' is not of type `${type.name}'."
    else
      type.merge loc counting;

  type = name: check: merge: { inherit name check merge; };
  single =
    loc: found:
    if all (d: d.value == (head found).value) found then
      (head found).value
    else
      throw "The option `${show loc}' has conflicting definition values.";
  isPathLike =
    value:
    isPath value || (isString value && lib.hasPrefix "/" value) || (isAttrs value && value ? outPath);

  types = rec {
    str = type "string" isString single;
    bool = type "boolean" isBool single;
    int = type "signed integer" isInt single;
    float = type "floating point number" isFloat single;
    path = type "absolute path" isPathLike single;
    package = type "package" lib.isDerivation single;
    # As it is, unread.
    raw = type "raw value" (_: true) (_: found: (head found).value);
    anything = type "anything" (_: true) (
      loc: found:
      if all (d: isAttrs d.value && !lib.isDerivation d.value) found then
        (attrsOf anything).merge loc found
      else if all (d: isList d.value) found then
        concatMap (d: d.value) found
      else
        single loc found
    );
    nullOr =
      inner:
      type "null or ${inner.name}" (value: value == null || inner.check value) (
        loc: found:
        if all (d: d.value == null) found then null else inner.merge loc (filter (d: d.value != null) found)
      );
    oneOf =
      inner:
      type "one of several" (value: any (t: t.check value) inner) (
        loc: found: (head (filter (t: all (d: t.check d.value) found) inner)).merge loc found
      );
    listOf =
      inner:
      type "list of ${inner.name}" isList (
        loc: found:
        concatMap (
          d: lib.imap1 (n: item: merge (loc ++ [ (toString n) ]) inner (definitions item)) d.value
        ) found
      );
    attrsOf =
      inner:
      type "attribute set of ${inner.name}" isAttrs (
        loc: found:
        let
          of = name: concatMap (d: lib.optionals (d.value ? ${name}) (definitions d.value.${name})) found;
          names = attrNames (foldl' (seen: d: seen // d.value) { } found);
          kept = filter (name: of name != [ ]) names;
        in
        lib.genAttrs kept (name: merge (loc ++ [ name ]) inner (of name))
      );
    coercedTo =
      from: convert: to:
      type to.name (value: from.check value || to.check value) (
        loc: found:
        to.merge loc (
          map (d: d // { value = if from.check d.value then convert d.value else d.value; }) found
        )
      )
      // {
        inherit (to) options;
      };
    submodule =
      module:
      type "submodule" (value: isAttrs value || isFunction value) (
        loc: found:
        (evalModules {
          modules = [ module ] ++ map (d: { config = d.value; }) found;
          prefix = loc;
        }).config
      )
      // {
        inherit (evalModules { modules = [ module ]; }) options;
      };
  };

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      arguments = {
        inherit config options lib;
      }
      // specialArgs;
      structure = [
        "_file"
        "config"
        "freeformType"
        "imports"
        "key"
        "options"
      ];
      normal =
        module:
        if isFunction module then
          normal (module (intersectAttrs (functionArgs module) (arguments // { lib = full; })))
        else if isPath module || isString module then
          normal (import module) // { key = toString module; }
        else if any (name: elem name structure) (attrNames module) then
          {
            config = { };
            options = { };
            imports = [ ];
          }
          // module
        else
          {
            config = module;
            options = { };
            imports = [ ];
          };
      # Depth first; a key that was seen is not taken again.
      collect =
        seen: module:
        let
          this = normal module;
        in
        if this ? key && any (other: other.key or null == this.key) seen then
          seen
        else
          foldl' collect (seen ++ [ this ]) this.imports;
      everything = foldl' collect [ ] modules;
      options = foldl' lib.recursiveUpdate { } (map (module: module.options) everything);
      freeform = foldl' (found: module: module.freeformType or found) null everything;
      written = concatMap (
        module: map (set: removeAttrs set [ "_module" ]) (byName module.config)
      ) everything;
      isChecked = all (module: (module.config._module or { }).check or true) everything;

      evaluate =
        loc: declared: found:
        let
          having = name: filter (set: set ? ${name}) found;
          value =
            name: option:
            let
              here = loc ++ [ name ];
              default = lib.optional (option ? default) {
                priority = 1500;
                value = option.default;
              };
              all = concatMap (set: definitions set.${name}) (having name) ++ default;
            in
            if !isOption option then
              evaluate here option (concatMap (set: byName set.${name}) (having name))
            else if all == [ ] then
              throw "The option `${show here}' was accessed but has no value defined. Try setting the option."
            else if option.readOnly or false && builtins.length all > 1 then
              throw "The option `${show here}' is read-only, but it's set multiple times."
            else
              merge here option.type all;
          unknown = filter (name: !declared ? ${name}) (
            attrNames (foldl' (seen: set: seen // set) { } found)
          );
          free = map (set: {
            priority = 100;
            value = removeAttrs set (attrNames declared);
          }) found;
        in
        mapAttrs value declared
        // (
          if unknown == [ ] || !isChecked then
            { }
          else if freeform != null && loc == prefix then
            freeform.merge loc free
          else
            throw "The option `${show (loc ++ [ (head unknown) ])}' does not exist."
        );
      config = evaluate prefix options written;
    in
    {
      inherit config options;
    };

  own = {
    inherit
      evalModules
      isOption
      mkIf
      mkMerge
      mkOption
      mkOverride
      types
      ;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    mkEnableOption =
      what:
      mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
    mkPackageOption =
      pkgs: name: _:
      mkOption {
        type = types.package;
        default = pkgs.${name};
        defaultText = lib.literalExpression "pkgs.${name}";
        description = "The ${name} package to use.";
      };
  };
  full = lib // own;
in
own
