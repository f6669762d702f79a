# Packages, as far as Vestibule's flake uses them. Three are real: the program (built by the host's Cargo with its dev
# profile), YAML (by remarshal, which nixpkgs uses) and shell scripts. The rest are names, so that expressions evaluate.
{
  lib,
  nixpkgs,
  system,
  host,
}:
let
  platform = {
    inherit system;
    isLinux = lib.hasSuffix "-linux" system;
    isDarwin = lib.hasSuffix "-darwin" system;
    canExecute = other: other.system == system;
  };

  # Runs a script with the host's tools. Nix ends a builder that closes its log, so the last command must be no other program.
  make =
    attributes@{
      name,
      script,
      nativeBuildInputs ? [ ],
      env ? { },
      meta ? { },
      ...
    }:
    derivation (
      removeAttrs attributes [
        "env"
        "meta"
        "script"
      ]
      // env
      // {
        inherit system;
        outputs = [ "out" ];
        builder = "/bin/bash";
        args = [
          "-euo"
          "pipefail"
          "-c"
          ''
            runHook() { :; }
            for input in ''${nativeBuildInputs:-}; do
              PATH="$input/bin:$PATH"
              if [[ -r $input/setup-hook ]]; then source "$input/setup-hook"; fi
            done
            cd "''${TMPDIR:-/tmp}"
            ${script}
            :
          ''
        ];
        PATH = "${host.cargo}:/usr/local/bin:/usr/bin:/bin";
        __noChroot = true;
      }
    )
    // {
      inherit meta;
    };

  writeText =
    name: text:
    make {
      inherit name text;
      passAsFile = [ "text" ];
      script = ''cp "$textPath" "$out"'';
    };

  named =
    pname:
    make {
      name = "${pname}-stand-in";
      script = ''mkdir -p "$out/bin"'';
      meta.mainProgram = pname;
    };

  yaml =
    let
      value =
        with lib.types;
        nullOr (oneOf [
          bool
          int
          float
          str
          path
          (attrsOf value)
          (listOf value)
        ]);
    in
    value;

  buildRustPackage =
    attributes:
    make {
      name = "${attributes.pname}-${attributes.version}";
      inherit (attributes) src;
      lockFile = attributes.cargoLock.lockFile;
      nativeBuildInputs = attributes.nativeBuildInputs or [ ];
      env = attributes.env or { };
      meta = attributes.meta or { };
      script = ''
        export CARGO_HOME=${host.cargoHome} CARGO_TARGET_DIR=${host.target} CARGO_INCREMENTAL=0 HOME="$TMPDIR"
        cp -r "$src" source
        chmod -R u+w source
        cd source
        cmp Cargo.lock "$lockFile"
        ${attributes.buildPhase or "cargo build --frozen --bins"}
        ${lib.optionalString (attributes.doCheck or true) (attributes.checkPhase or "cargo test --frozen")}
        ${attributes.installPhase or ''
          install -Dm755 -s "$CARGO_TARGET_DIR/debug/${attributes.pname}" -t "$out/bin"
        ''
        }
        ${attributes.postInstall or ""}
        ${lib.optionalString (attributes.doInstallCheck or false) attributes.installCheckPhase}
      '';
    }
    // {
      inherit (attributes) pname version;
      overrideAttrs =
        change: buildRustPackage (attributes // change ({ nativeBuildInputs = [ ]; } // attributes));
    };

  # Every option of a tree, those of submodules too.
  described =
    prefix: options:
    lib.concatLists (
      lib.mapAttrsToList (
        name: option:
        let
          here = "${prefix}${name}";
        in
        if !lib.isOption option then
          described "${here}." option
        else if !option ? description then
          throw "The option `${here}' has no description."
        else
          [ (lib.nameValuePair here { inherit (option) description; }) ]
          ++ lib.optionals (option.type ? options) (described "${here}." option.type.options)
      ) options
    );

  self = {
    inherit lib system writeText;
    pkgs = self;
    config = { };
    rustc = named "rustc" // {
      version = host.rustc;
    };
    rustPlatform = { inherit buildRustPackage; };

    stdenv = {
      hostPlatform = platform;
      buildPlatform = platform;
    };

    callPackage = lib.callPackageWith self;

    runCommand =
      name: attributes: script:
      make (attributes // { inherit name script; });

    writeShellApplication =
      {
        name,
        text,
        runtimeInputs ? [ ],
      }:
      make {
        inherit name text;
        passAsFile = [ "text" ];
        script = ''
          mkdir -p "$out/bin"
          {
            printf '#!/bin/bash\nset -euo pipefail\nPATH="%s:$PATH"\n' '${
              lib.concatMapStringsSep ":" (input: "${input}/bin") runtimeInputs
            }'
            cat "$textPath"
          } >"$out/bin/${name}"
          chmod 555 "$out/bin/${name}"
        '';
        meta.mainProgram = name;
      };

    formats.yaml = _: {
      type = yaml;
      generate =
        name: value:
        make {
          inherit name;
          value = builtins.toJSON value;
          passAsFile = [ "value" ];
          script = ''${host.remarshal} --if json --of yaml "$valuePath" "$out"'';
        };
    };

    installShellFiles = make {
      name = "install-shell-files-stand-in";
      script = ''
        mkdir "$out"
        cat >"$out/setup-hook" <<'HOOK'
        installManPage() { install -Dm444 "$@" -t "$out/share/man/man1"; }
        # --cmd NAME --bash FILE --fish FILE --zsh FILE
        installShellCompletion() {
          install -Dm444 "$4" "$out/share/bash-completion/completions/$2.bash"
          install -Dm444 "$6" "$out/share/fish/vendor_completions.d/$2.fish"
          install -Dm444 "$8" "$out/share/zsh/site-functions/_$2"
        }
        HOOK
      '';
    };

    nixosOptionsDoc =
      { options, ... }:
      let
        document = builtins.toJSON (builtins.listToAttrs (described "" options));
      in
      {
        optionsCommonMark = writeText "options.md" document;
        optionsJSON = make {
          name = "options.json";
          inherit document;
          passAsFile = [ "document" ];
          script = ''install -Dm444 "$documentPath" "$out/share/doc/nixos/options.json"'';
        };
      };

    # What would be an image is its description.
    dockerTools.streamLayeredImage =
      image:
      writeText "${image.name}-image.json" (
        builtins.toJSON {
          inherit (image)
            name
            tag
            created
            fakeRootCommands
            config
            ;
        }
      );

    mkShell =
      attributes:
      make {
        name = "shell";
        nativeBuildInputs = attributes.packages;
        script = ''touch "$out"'';
      };

    # The machines are evaluated; nothing runs them.
    testers.runNixOSTest =
      test:
      let
        node =
          module:
          (import ./nixos.nix { inherit nixpkgs; } {
            inherit system;
            modules = [ module ];
          }).config.system.build.toplevel;
      in
      make {
        name = "vm-test-${test.name}";
        machines = map node (builtins.attrValues test.nodes);
        testScript = test.testScript;
        passAsFile = [ "testScript" ];
        script = ''
          mkdir "$out"
          cp "$testScriptPath" "$out/test.py"
          printf '%s\n' $machines >"$out/machines"
        '';
      };

    # `nix develop` starts it.
    bashInteractive = make {
      name = "bash-interactive-stand-in";
      script = ''mkdir -p "$out/bin" && ln -s /bin/bash "$out/bin/bash"'';
    };

    # systemd looks whether the programs of a unit are there.
    coreutils = make {
      name = "coreutils-stand-in";
      script = ''mkdir -p "$out/bin" && ln -s "$(type -P kill)" "$out/bin/kill"'';
      meta.mainProgram = "coreutils";
    };

    prometheus = named "prometheus" // {
      cli = named "promtool";
    };
  }
  // lib.genAttrs [
    "cacert"
    "cargo"
    "cargo-deny"
    "cargo-nextest"
    "chromium"
    "clippy"
    "git"
    "kubectl"
    "nixfmt-tree"
    "nodejs"
    "python3"
    "rust-analyzer"
    "rustfmt"
    "shellcheck"
    "typos"
  ] named;
in
self
