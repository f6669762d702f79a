# shellcheck shell=bash
# To be sourced: how the stages that run artefacts say what held.

step() { printf '[%s s] %s\n' "$SECONDS" "$*"; }

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# equal WHAT EXPECTED FOUND
equal() {
  [[ $2 == "$3" ]] || fail "$1:"$'\n'"$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3"))"
  printf '  ok  %s\n' "$1"
}

# holds WHAT COMMAND…
holds() {
  local what=$1
  shift
  "$@" || fail "$what: $*"
  printf '  ok  %s\n' "$what"
}

# within SECONDS WHAT COMMAND…
within() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [[ $SECONDS -lt $until ]] || fail "$what: $*"
    sleep 0.2
  done
  printf '  ok  %s\n' "$what"
}
