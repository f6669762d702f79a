#!/usr/bin/env bash
# Builds the image with Docker (BuildKit), Podman or Buildah, and gives it a name, a version, a commit and a date that come
# from the repository alone: two builds of one commit give the same layers.
#   bash deploy/container/build.sh [NAME] [further arguments of the builder]        BUILDER=docker|podman|buildah
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

name=${1:-vestibule}
shift || true
builder=${BUILDER:-}
for candidate in docker podman buildah; do
  builder=${builder:-$(command -v "$candidate" >/dev/null && echo "$candidate" || true)}
done

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
revision=${REVISION:-$(git rev-parse HEAD)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
arguments=(
  --file deploy/container/Dockerfile
  --build-arg "VERSION=$version"
  --build-arg "REVISION=${revision:0:12}"
  --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH"
  --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
  --tag "$name:$version" --tag "$name:latest"
)
case $builder in
  docker)
    docker buildx build "${arguments[@]}" --output "type=docker,rewrite-timestamp=true" "$@" .
    ;;
  podman | buildah)
    # The OCI format has no health check.
    "$builder" build --format docker --timestamp "$SOURCE_DATE_EPOCH" "${arguments[@]}" "$@" .
    ;;
  *)
    echo 'none of docker, podman and buildah is there' >&2
    exit 69
    ;;
esac
