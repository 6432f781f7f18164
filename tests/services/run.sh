#!/usr/bin/env bash
# Runs the tests on a real Kafka and a real InfluxDB; arguments go to pytest. "drills" as the first one: only the drills;
# "image": only those of the container image, which tests/image/image.sh has built.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  if [ -x "$ROOT/.venv/bin/python" ]; then PYTHON=$ROOT/.venv/bin/python; fi
fi
export PYTHON

"$HERE/services.sh" doctor
"$HERE/services.sh" build

DIR=$(mktemp -d "${TMPDIR:-/tmp}/vpp-services.XXXXXX")
STATUS=1
finish() {
  trap '' INT TERM
  "$HERE/services.sh" stop "$DIR"
  if [ "$STATUS" -eq 0 ]; then
    rm -rf "$DIR"
  else
    rm -rf "$DIR/kafka/data" "$DIR/influx/engine"
    echo "the services' logs are kept: $DIR/kafka/log $DIR/influx/log" >&2
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$HERE/services.sh" start "$DIR"
set -a
# shellcheck disable=SC1091 # written by the line above
. "$DIR/env"
set +a

cd "$ROOT"
STATUS=0
if [ "${1:-}" = drills ]; then
  shift
  "$PYTHON" -m pytest --timeout 1800 -p tests.drill_report -m "drill and services" --ignore=tests/browser --ignore=tests/aws ${1+"$@"} || STATUS=$?
  exit "$STATUS"
fi
if [ "${1:-}" = image ]; then
  shift
  "$PYTHON" -m pytest -s --timeout 1800 tests/image ${1+"$@"} || STATUS=$?
  exit "$STATUS"
fi
# Tests that take the services down come last and alone. Pytest's 5: the arguments name none of a pass.
"$PYTHON" -m pytest -n 2 -m "(services or stream or contract or e2e) and not local and not outage and not long_drill" --ignore=tests/browser --ignore=tests/aws ${1+"$@"} || STATUS=$?
OUTAGES=0
"$PYTHON" -m pytest -m outage --ignore=tests/browser --ignore=tests/aws ${1+"$@"} || OUTAGES=$?
if [ "$OUTAGES" -ne 5 ] && { [ "$STATUS" -eq 0 ] || [ "$STATUS" -eq 5 ]; }; then STATUS=$OUTAGES; fi
exit "$STATUS"
