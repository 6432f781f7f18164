#!/usr/bin/env bash
# Builds deploy/Dockerfile without a container engine of its own or an image registry: the base is made of Debian's packages.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-python3}
SUITE=trixie
BASE=localhost/vpp-python:$SUITE
IMAGE=localhost/smartgrid-ai:test
TOOLS=(buildah podman runc mmdebstrap catatonit)

die() { printf 'image: %s\n' "$*" >&2; exit 1; }

install_tools() {
  local missing=()
  for tool in "${TOOLS[@]}"; do dpkg -s "$tool" >/dev/null 2>&1 || missing+=("$tool"); done
  [ "${#missing[@]}" = 0 ] && return 0
  command -v apt-get >/dev/null 2>&1 || die "needs ${missing[*]}; elsewhere than on Debian or Ubuntu: docker build -f deploy/Dockerfile ."
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# A base with the layout of the official one: python and pip in /usr/local. What pip needs on this machine to reach its
# index (certificates, its configuration) comes along.
make_base() {
  buildah inspect --type image "$BASE" >/dev/null 2>&1 && return 0
  local folder container
  folder=$(mktemp -d "${TMPDIR:-/tmp}/vpp-image.XXXXXX")
  mmdebstrap --quiet --variant=minbase --include=python3 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    "$SUITE" "$folder/base.tar"
  "$PYTHON" -m pip download -q --no-deps -d "$folder" pip
  container=$(buildah from scratch)
  buildah add -q "$container" "$folder/base.tar" /
  buildah copy -q "$container" "$folder"/pip-*.whl /tmp/
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
    if [ -e "$file" ]; then buildah copy -q "$container" "$file" "$file"; fi
  done
  # shellcheck disable=SC2016 # expanded by the shell of the container
  buildah run --isolation chroot "$container" sh -euc '
    wheel=$(ls /tmp/pip-*.whl)
    python3 -m venv --without-pip /usr/local
    python3 "$wheel/pip" --python /usr/local/bin/python install -q --no-index "$wheel"
    rm "$wheel"'
  buildah commit -q --rm "$container" "$BASE"
  rm -rf "$folder"
}

install_tools
make_base
buildah bud --isolation chroot --pull-never --build-arg "PYTHON=$BASE" -f "$ROOT/deploy/Dockerfile" -t "$IMAGE" "$ROOT"
