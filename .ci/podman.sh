# shellcheck shell=bash
# To be sourced: Podman, Buildah and runc without a daemon, in a storage of their own below target/, which is gone afterwards
# (what one build keeps for the next, a cache mount, stays);
# and images that stand in for those of the registries, which CI does not reach, made from Debian's packages.
STORAGE="$PWD/target/containers"
DEBIAN=docker.io/library/debian:bookworm-slim

# What is still mounted would be deleted through its mount point.
forget_containers() {
  podman rm --all --force >/dev/null 2>&1 || true
  local place
  while read -r place; do
    umount "$place" 2>/dev/null || true
  done < <(awk -v below="$STORAGE/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  rm -rf --one-file-system "$STORAGE"
}

open_containers() {
  local missing=() program
  for program in buildah podman runc mmdebstrap; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  # The name server of container networks is no program in the path.
  [[ -x /usr/lib/podman/aardvark-dns ]] || missing+=(netavark aardvark-dns iptables)
  if [[ ${#missing[@]} -gt 0 ]]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$OUT/apt-containers.log" 2>&1
  fi
  # Where Buildah has its cache mounts.
  export TMPDIR="$PWD/target/buildah"
  mkdir -p "$TMPDIR"
  export CONTAINERS_STORAGE_CONF="$STORAGE/storage.conf" CONTAINERS_CONF="$STORAGE/containers.conf"
  forget_containers
  mkdir -p "$STORAGE"
  cat >"$CONTAINERS_STORAGE_CONF" <<EOF
[storage]
driver = "overlay"
graphroot = "$STORAGE/graph"
runroot = "$STORAGE/run"
EOF
  # runc, because crun needs CAP_SYS_RESOURCE; limits that a container of ours may set itself.
  cat >"$CONTAINERS_CONF" <<EOF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "$STORAGE/networks"
EOF
}

# debian:bookworm-slim, with further packages if any are named.
make_debian() {
  local mirror name=${1:-$DEBIAN} packages=${2:-ca-certificates}
  mirror=$(find /etc/apt -name '*.sources' -o -name '*.list' | sort | xargs sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\) .*/\1/p' | head -n 1)
  mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" bookworm - "$mirror" 2>"$OUT/mmdebstrap.log" |
    podman import --quiet - "$name" >/dev/null
}
