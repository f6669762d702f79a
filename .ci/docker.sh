# shellcheck shell=bash
# To be sourced: a Docker engine of our own, with its storage below target/, which is gone afterwards, Docker Compose, and
# what builds images by BuildKit.
# Wants TOOLS and OUT.
DOCKER="$PWD/target/docker"
# A socket's path may not be long.
SOCKET=$(mktemp -d)/docker.sock
export DOCKER_HOST="unix://$SOCKET" DOCKER_CONFIG="$TOOLS/docker"

open_docker() {
  local missing=() program
  for program in dockerd containerd runc iptables mmdebstrap; do
    command -v "$program" >/dev/null || missing+=("${program/dockerd/docker.io}")
  done
  if [[ ${#missing[@]} -gt 0 ]]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$OUT/apt-docker.log" 2>&1
  fi
  # Debian 12 has Compose 1 only, which is something else, and no buildx.
  if [[ ! -d $DOCKER_CONFIG/cli-plugins ]]; then
    rm -rf "$DOCKER_CONFIG/root"
    bash .ci/debian13 download "$DOCKER_CONFIG/root" docker-compose docker-buildx
    mv "$DOCKER_CONFIG/root/usr/libexec/docker/cli-plugins" "$DOCKER_CONFIG/"
    rm -r "$DOCKER_CONFIG/root"
  fi
  forget_mounts
  mkdir -p "$DOCKER"
  # The engine says that this machine forwards nothing; what was said before is said again afterwards.
  FORWARD=$(iptables -S FORWARD 2>/dev/null | head -n 1 || true)
  # Limits that a container of ours may set itself; no bridge but those of the networks that are made.
  dockerd --data-root "$DOCKER/data" --exec-root "$DOCKER/run" --pidfile "$DOCKER/pid" --host "$DOCKER_HOST" --bridge none \
    --default-ulimit nofile=1024:1024 >"$OUT/dockerd.log" 2>&1 &
  DOCKERD=$!
  for _ in {1..150}; do
    if docker version >/dev/null 2>&1; then return; fi
    if ! kill -0 "$DOCKERD" 2>/dev/null; then break; fi
    sleep 0.2
  done
  tail -n 20 "$OUT/dockerd.log" >&2
  return 1
}

# What is still mounted would be deleted through its mount point.
forget_mounts() {
  local place
  while read -r place; do
    umount "$place" 2>/dev/null || true
  done < <(awk -v below="$DOCKER/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  rm -rf --one-file-system "$DOCKER"
}

forget_docker() {
  if [[ -n ${DOCKERD:-} ]]; then
    kill "$DOCKERD" 2>/dev/null || true
    wait "$DOCKERD" 2>/dev/null || true
    if [[ $FORWARD =~ ^-P\ FORWARD\ ([A-Z]+)$ ]]; then iptables -P FORWARD "${BASH_REMATCH[1]}"; fi
  fi
  forget_mounts
  rm -rf "${SOCKET%/*}"
}

# One image of Debian 13 that stands in for those of the registries, which CI does not reach: NAME…
make_stand_ins() {
  local mirror node name root="$DOCKER/stand-in"
  mirror=$(find /etc/apt -name '*.sources' -o -name '*.list' | sort | xargs sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\) .*/\1/p' | head -n 1)
  node=$(realpath tests/interop/node_modules/.bin/node)
  mmdebstrap --quiet --mode=root --variant=minbase --include=ca-certificates,curl,nginx-light,python3,python3-venv,valkey-server,valkey-tools \
    --dpkgopt='path-exclude=/usr/share/doc/*' trixie "$root" "$mirror" 2>"$OUT/mmdebstrap.log"
  # As in the official images: Python with pip, Node with npm, logs that go to standard error, a folder for data.
  chroot "$root" python3 -m venv /usr/local
  install -D "$node" "$root/usr/local/bin/node"
  mkdir -p "$root/usr/local/lib/node_modules"
  cp -r "$(npm root --global)/npm" "$root/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -sf /dev/stderr "$root/var/log/nginx/error.log"
  install -d -o 999 -g 999 "$root/data"
  # The registries may be reached by way of a proxy with a root of its own.
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  tar -C "$root" --create . | docker import --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    - stand-in >/dev/null
  rm -rf --one-file-system "$root"
  for name in "$@"; do
    docker tag stand-in "$name"
  done
}
