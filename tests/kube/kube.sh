#!/usr/bin/env bash
# A real kube-apiserver on loopback with Debian's etcd, and kube-score: both built from their Go modules, once.
set -euo pipefail

KUBERNETES=v1.36.3
KEDA=v2.21.0
PROMETHEUS_OPERATOR=v0.85.0
KUBE_SCORE=v1.20.0

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/vpp/kube-$(cksum <"$HERE/kube.sh" | cut -d' ' -f1)
SERVER=$CACHE/kube-apiserver
SCORE=$CACHE/kube-score

usage() {
  cat <<'TEXT'
usage: kube.sh COMMAND [DIR]
  doctor      say which tool is missing and how to get it
  build       build kube-apiserver and kube-score, fetch the definitions of KEDA and the Prometheus operator
              (about 15 minutes once, then nothing; Go keeps about 6 GB of modules and objects)
  start DIR   start etcd and kube-apiserver with their data under DIR; writes DIR/env
  stop DIR    end both
TEXT
}

say() { printf 'kube: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

doctor() {
  local missing=0
  for tool in go etcd openssl; do
    if command -v "$tool" >/dev/null 2>&1; then continue; fi
    missing=1
    case $tool in
      go) say "missing go 1.26 or later: install it from the Go project's page" ;;
      etcd) say "missing etcd: apt-get install etcd-server" ;;
      *) say "missing $tool: apt-get install $tool" ;;
    esac
  done
  [ "$missing" -eq 0 ] || exit 1
}

module() { # MODULE VERSION: prints the folder of its source
  go mod download -json "$1@$2" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p'
}

build_server() {
  local source work=$CACHE/server
  source=$(module k8s.io/kubernetes "$KUBERNETES")
  mkdir -p "$work"
  # The module's replacements name folders beside it; published modules of the same release stand for them.
  sed -e 's|^module .*|module vpp.example/apiserver|' \
    -e "s|=> \\./staging/src/\\(k8s\\.io/[a-z0-9-]*\\)|=> \\1 v0.${KUBERNETES#v1.}|" "$source/go.mod" >"$work/go.mod"
  printf '\nrequire k8s.io/kubernetes %s\n' "$KUBERNETES" >>"$work/go.mod"
  cp "$source/go.sum" "$work/go.sum"
  chmod u+w "$work/go.mod" "$work/go.sum"
  cp "$HERE/apiserver.go.txt" "$work/main.go"
  (cd "$work" && GOFLAGS=-mod=mod nice -n 5 go build -ldflags="-s -w" -o "$SERVER.part" .)
  mv "$SERVER.part" "$SERVER"
}

build() {
  doctor
  mkdir -p "$CACHE/definitions"
  if [ ! -e "$SCORE" ]; then
    say "kube-score $KUBE_SCORE: building"
    GOBIN=$CACHE go install "github.com/zegl/kube-score/cmd/kube-score@$KUBE_SCORE"
  fi
  if [ ! -e "$CACHE/definitions/.complete" ]; then
    say "KEDA $KEDA, Prometheus operator $PROMETHEUS_OPERATOR: fetching their definitions"
    cp "$(module github.com/kedacore/keda/v2 "$KEDA")"/config/crd/bases/*.yaml "$CACHE/definitions/"
    cp "$(module github.com/prometheus-operator/prometheus-operator "$PROMETHEUS_OPERATOR")"/example/prometheus-operator-crd/*.yaml \
      "$CACHE/definitions/"
    chmod -R u+w "$CACHE/definitions"
    touch "$CACHE/definitions/.complete"
  fi
  if [ ! -e "$SERVER" ]; then
    say "kube-apiserver $KUBERNETES: building, about 15 minutes on two cores"
    build_server
  fi
}

free_ports() { # COUNT
  "${PYTHON:-python3}" -c '
import socket, sys
probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(probe.getsockname()[1] for probe in probes))' "$1"
}

start() {
  local client peer secure token
  DIR=$1
  [ -e "$SERVER" ] || die "not built yet: run 'kube.sh build' first"
  mkdir -p "$DIR"
  chmod 700 "$DIR"
  read -r client peer secure < <(free_ports 3)
  token=$(openssl rand -hex 16)
  printf '%s,admin,admin,system:masters\n' "$token" >"$DIR/tokens.csv"
  openssl genrsa -out "$DIR/account.key" 2048 2>/dev/null
  etcd --data-dir "$DIR/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" >"$DIR/etcd.log" 2>&1 &
  echo $! >"$DIR/etcd.pid"
  "$SERVER" "--etcd-servers=http://127.0.0.1:$client" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
    "--secure-port=$secure" "--cert-dir=$DIR/certs" "--token-auth-file=$DIR/tokens.csv" --authorization-mode=RBAC \
    "--service-account-key-file=$DIR/account.key" "--service-account-signing-key-file=$DIR/account.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.0.0.0/24 \
    --disable-admission-plugins=ServiceAccount >"$DIR/apiserver.log" 2>&1 &
  echo $! >"$DIR/apiserver.pid"
  {
    echo "VPP_TEST_KUBE_URL=https://127.0.0.1:$secure"
    echo "VPP_TEST_KUBE_TOKEN=$token"
    echo "VPP_TEST_KUBE_CA=$DIR/certs/apiserver.crt"
    echo "VPP_TEST_KUBE_SCORE=$SCORE"
    echo "VPP_TEST_KUBE_DEFINITIONS=$CACHE/definitions"
  } >"$DIR/env"
}

stop() {
  local name pid
  for name in apiserver etcd; do
    pid=$(cat "$1/$name.pid" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  done
}

case "${1:-}" in
  doctor | build) "$1" ;;
  start | stop) [ -n "${2:-}" ] || die "give a folder"; "$1" "$2" ;;
  *) usage; exit 2 ;;
esac
