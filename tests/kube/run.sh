#!/usr/bin/env bash
# Runs the tests of deploy/k8s against a real kube-apiserver; arguments go to pytest.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$HERE/kube.sh" build
CHECKOV=3.3.30
TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/vpp/checkov-$CHECKOV
export VPP_TEST_CHECKOV=$TOOLS/bin/checkov
if [ ! -e "$TOOLS/.complete" ]; then
  echo "kube: installing checkov $CHECKOV into an environment of its own" >&2
  python3 -m venv --clear "$TOOLS"
  "$TOOLS/bin/pip" install -q --disable-pip-version-check "checkov==$CHECKOV"
  touch "$TOOLS/.complete"
fi
DIR=$(mktemp -d "${TMPDIR:-/tmp}/vpp-kube.XXXXXX")
finish() {
  "$HERE/kube.sh" stop "$DIR"
  rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$HERE/kube.sh" start "$DIR"
set -a
# shellcheck disable=SC1091 # written by the line above
. "$DIR/env"
set +a
cd "$HERE/../.."
"${PYTHON:-python3}" -m pytest tests/kube ${1+"$@"}
