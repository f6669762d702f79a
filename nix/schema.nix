# The JSON Schema of the configuration file, for editors.
{ runCommand, vestibule }:
runCommand "vestibule-schema-${vestibule.version}" { nativeBuildInputs = [ vestibule ]; } ''
  mkdir -p "$out/share/vestibule"
  vestibule config schema >"$out/share/vestibule/vestibule.schema.json"
''
