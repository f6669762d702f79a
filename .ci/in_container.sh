#!/usr/bin/env bash
# The gateway out of its image, in the place of its binary: VESTIBULE=…/in_container.sh IMAGE=… node run.mjs environment
# As little as it can have: a read-only root, no capabilities, its variables, its state, its file.
set -euo pipefail
image=${IMAGE:?names the image}
arguments=(--rm --network host --read-only --cap-drop all --security-opt no-new-privileges --memory 128m --pids-limit 64 --no-healthcheck)
while IFS= read -r name; do
  arguments+=(--env "$name")
done < <(compgen -e VESTIBULE_)
# A suite's folder is where it starts us.
install -d -m 0700 -o 65532 -g 65532 "$PWD/state"
arguments+=(--volume "$PWD/state:$PWD/state")
if [[ -f gateway.yaml ]]; then
  arguments+=(--volume "$PWD/gateway.yaml:$PWD/gateway.yaml:ro")
fi
exec podman run "${arguments[@]}" "$image" "$@"
