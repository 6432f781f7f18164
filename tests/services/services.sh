#!/usr/bin/env bash
# A real Kafka, a real InfluxDB 2 and the mosquitto package for the tests, on loopback, without containers.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/vpp/services
PYTHON=${PYTHON:-python3}

KAFKA_VERSION=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$HERE/pom.xml")
INFLUX_VERSION=$(sed -n 's/^.*influxdata\/influxdb\/v2 v\([^ ]*\).*/\1/p' "$HERE/go.mod" | head -n 1)
# A changed recipe gets its own directory, so that a stale build is never used.
KAFKA_HOME=$CACHE/kafka-$KAFKA_VERSION-$(cksum <"$HERE/pom.xml" | cut -d' ' -f1)
INFLUX_HOME=$CACHE/influxdb-$INFLUX_VERSION-$(cat "$HERE/go.mod" "$HERE/go.sum" | cksum | cut -d' ' -f1)-$(uname -sm | tr ' ' '-')

# Placeholders for a throw-away server on loopback; they protect nothing.
KAFKA_USER=worker
TEST_PASSWORD=test-only-placeholder
INFLUX_TOKEN=test-only-placeholder-token
INFLUX_ORG=vpp-test
INFLUX_BUCKET=vpp-test

usage() {
  cat <<'TEXT'
usage: services.sh COMMAND [DIR]
  kafka-libs                    print the folder of Kafka's classes
  doctor                        say which tool is missing and how to get it
  build                         install mosquitto, fetch Kafka, build InfluxDB (minutes once, then nothing)
  start DIR | stop DIR          both services, with their data under DIR; writes DIR/env
  start-kafka DIR | stop-kafka DIR | kill-kafka DIR      Kafka alone; data and port stay
  start-influx DIR | stop-influx DIR | kill-influx DIR   InfluxDB alone; data and port stay
  status DIR                    what runs
stop ends a process in order (SIGTERM), kill at once (SIGKILL).
TEXT
}

say() { printf 'services: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---------------------------------------------------------------- doctor

built() { [ -e "$1/.complete" ]; }

version_number() { # "17.0.15" or "1.26.8" as one comparable number: major * 1000 + minor
  printf '%s' "$1" | awk -F. '{ print $1 * 1000 + $2 }'
}

install_hint() { # TOOL
  if [ "$(uname -s)" = Darwin ]; then
    case $1 in
      java | keytool) echo 'brew install openjdk@21 && export PATH="$(brew --prefix openjdk@21)/bin:$PATH"' ;;
      mvn) echo "brew install maven" ;;
      go) echo "brew install go" ;;
      gcc) echo "xcode-select --install" ;;
      cargo) echo "brew install rustup && rustup default stable" ;;
      pkg-config) echo "brew install pkgconf" ;;
      promtool) echo "brew install prometheus" ;;
      *) echo "brew install $1" ;;
    esac
  else
    case $1 in
      java | keytool) echo "sudo apt-get install openjdk-17-jdk-headless, or a later release" ;;
      mvn) echo "sudo apt-get install maven" ;;
      go) echo "sudo snap install go --classic, or the archive of go.dev/dl unpacked and its bin on PATH" ;;
      gcc) echo "sudo apt-get install gcc libc6-dev" ;;
      cargo) echo "sudo apt-get install rustup && rustup default stable, or rustup.rs" ;;
      promtool) echo "sudo apt-get install prometheus" ;;
      *) echo "sudo apt-get install $1" ;;
    esac
  fi
}

MISSING=0
have() { # TOOL VERSION-FOUND [LEAST]
  local tool=$1 found=$2 least=${3:-}
  if [ -z "$found" ]; then
    say "MISSING  $tool${least:+ >= $least}: $(install_hint "$tool")"
  elif [ -n "$least" ] && [ "$(version_number "$found")" -lt "$(version_number "$least")" ]; then
    say "TOO OLD  $tool $found, needs >= $least: $(install_hint "$tool")"
  else
    say "ok       $tool $found"
    return
  fi
  MISSING=$((MISSING + 1))
}

mosquitto_path() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mosquitto || true; }
mosquitto_version() { "$(mosquitto_path)" -h 2>/dev/null | sed -n 's/^mosquitto version \([0-9][0-9.]*\).*/\1/p' || true; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
can_install() { command -v apt-get >/dev/null 2>&1 && as_root true 2>/dev/null; }

present() { if command -v "$1" >/dev/null 2>&1; then echo present; fi; }
java_version() { java -version 2>&1 | sed -n 's/.*version "\([0-9][0-9.]*\).*/\1/p' | head -n 1 || true; }
# From Go 1.21 on the tool fetches the toolchain that go.mod asks for, unless it is told to stay local.
go_least() { if [ "$(go env GOTOOLCHAIN 2>/dev/null)" = local ]; then sed -n 's/^go //p' "$HERE/go.mod"; else echo 1.21; fi; }

doctor() {
  have "$PYTHON" "$(present "$PYTHON")"
  have java "$(java_version)" 17
  have keytool "$(present keytool)"
  have promtool "$(present promtool)"
  if [ -n "$(mosquitto_path)" ] || ! can_install; then
    have mosquitto "$(mosquitto_version)" 2.0
  else
    say "ok       mosquitto comes with the build (Debian package)"
  fi
  if built "$KAFKA_HOME"; then
    say "ok       kafka $KAFKA_VERSION in the cache"
  else
    have mvn "$(present mvn)"
  fi
  if built "$INFLUX_HOME"; then
    say "ok       influxdb $INFLUX_VERSION in the cache"
  else
    have go "$(go env GOVERSION 2>/dev/null | sed 's/^go//' || true)" "$(go_least)"
    have gcc "$(present gcc)"
    have cargo "$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)" 1.83
    have pkg-config "$(present pkg-config)"
  fi
  [ "$MISSING" -eq 0 ] || die "$MISSING missing: the service tests cannot run without them"
}

# ---------------------------------------------------------------- build

TICKER=""
WORK=""
LOCK=""
clean_build_mosquitto() { # the broker of the tests is a process of their own: the package's service is not needed
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends mosquitto
}

build() {
  if [ -z "$(mosquitto_path)" ] && can_install; then
    mkdir -p "$CACHE"
    logged "mosquitto: installing the Debian package" "$CACHE/mosquitto.log" build_mosquitto
  fi
  [ -z "$TICKER" ] || kill "$TICKER" 2>/dev/null || true
  [ -z "$WORK" ] || rm -rf "$WORK"
  [ -z "$LOCK" ] || rm -rf "$LOCK"
}

tick() { # LABEL LOG: one line every ten seconds; short sleeps, so that none outlives the build for long
  local second=0
  while sleep 1; do
    second=$((second + 1))
    [ $((second % 10)) -ne 0 ] || say "$1: $second s, $(wc -l <"$2" | tr -d ' ') steps"
  done
}

logged() { # LABEL LOG COMMAND...
  local label=$1 log=$2 began
  shift 2
  began=$(date +%s)
  say "$label ..."
  : >"$log"
  tick "$label" "$log" &
  TICKER=$!
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "$label failed (last lines of its output above)"; }
  kill "$TICKER"
  wait "$TICKER" 2>/dev/null || true
  TICKER=""
  say "$label: done in $(($(date +%s) - began)) s"
}

take_lock() { # two builds at once would do the same work twice
  local told=""
  mkdir -p "$CACHE"
  until mkdir "$CACHE/lock" 2>/dev/null; do
    if ! kill -0 "$(cat "$CACHE/lock/pid" 2>/dev/null || echo 0)" 2>/dev/null; then
      sleep 2
      kill -0 "$(cat "$CACHE/lock/pid" 2>/dev/null || echo 0)" 2>/dev/null || rm -rf "$CACHE/lock"
    fi
    [ -n "$told" ] || say "another build is running, waiting for it"
    told=yes
    sleep 1
  done
  LOCK=$CACHE/lock
  echo $$ >"$LOCK/pid"
}

install_built() { # WORK-SUBDIR HOME: complete or not there at all
  : >"$1/.complete"
  rm -rf "$2"
  mv "$1" "$2"
}

build_kafka() {
  cp "$HERE/pom.xml" "$WORK/pom.xml"
  logged "kafka $KAFKA_VERSION: fetching" "$WORK/kafka.log" \
    mvn -B -f "$WORK/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$WORK/kafka/libs"
  install_built "$WORK/kafka" "$KAFKA_HOME"
}

build_influx() {
  local module=github.com/influxdata
  mkdir -p "$WORK/influx" "$WORK/bin"
  cp "$HERE/go.mod" "$HERE/go.sum" "$WORK/"
  cd "$WORK"
  logged "influxdb $INFLUX_VERSION: fetching" "$WORK/fetch.log" go build -v -mod=readonly -o bin/pkg-config $module/pkg-config
  # This pkg-config builds the Rust part of Flux on the way, whose pinned old toolchain nobody has installed.
  export PATH="$WORK/bin:$PATH" RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable}
  logged "influxdb $INFLUX_VERSION: compiling, about 6 min on two cores" "$WORK/influx.log" \
    nice -n 10 go build -v -mod=readonly -o influx/influxd $module/influxdb/v2/cmd/influxd
  cd "$HERE"
  install_built "$WORK/influx" "$INFLUX_HOME"
}

build() {
  if built "$KAFKA_HOME" && built "$INFLUX_HOME"; then
    say "kafka $KAFKA_VERSION and influxdb $INFLUX_VERSION are in $CACHE"
    return
  fi
  doctor
  trap clean_build EXIT
  take_lock
  WORK=$(mktemp -d "$CACHE/building.XXXXXX")
  built "$KAFKA_HOME" || build_kafka
  built "$INFLUX_HOME" || build_influx
}

# ---------------------------------------------------------------- processes

command_line() { # PID; empty for a dead process and for a zombie
  if [ -d /proc/self ]; then
    { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null || true
  else
    ps -ww -o command= -p "$1" 2>/dev/null || true
  fi
}

alive() { # NAME: its own pid, and still the process that was started for DIR (pids are reused)
  local pid
  pid=$(cat "$DIR/$1.pid" 2>/dev/null) || return 1
  case "$(command_line "$pid")" in *"$DIR/"*) return 0 ;; *) return 1 ;; esac
}

launch() { # NAME COMMAND...: in the background, output to DIR/NAME/log
  local name=$1
  shift
  ! alive "$name" || die "$name already runs for $DIR (pid $(cat "$DIR/$name.pid"))"
  if [ -f "$DIR/$name/log" ]; then cat "$DIR/$name/log" >>"$DIR/$name/log.before"; fi
  nohup "$@" </dev/null >"$DIR/$name/log" 2>&1 &
  echo $! >"$DIR/$name.pid"
}

await() { # NAME COMMAND...: until COMMAND succeeds; fails when the process ends or a minute has passed
  local name=$1 tries=0
  shift
  until "$@"; do
    # Not `alive`: until the fork has become the command, its command line still is this script's.
    kill -0 "$(cat "$DIR/$name.pid")" 2>/dev/null || { tail -n 20 "$DIR/$name/log" >&2; die "$name ended while starting (its log is above)"; }
    tries=$((tries + 1))
    [ $tries -lt 300 ] || die "$name not ready after 60 s, see $DIR/$name/log"
    sleep 0.2
  done
}

end() { # NAME SIGNAL
  local name=$1 pid tries=0
  if alive "$name"; then
    pid=$(cat "$DIR/$name.pid")
    kill "-$2" "$pid"
    while alive "$name"; do
      tries=$((tries + 1))
      if [ $tries -eq 300 ]; then
        say "$name does not end, killing it"
        kill -KILL "$pid"
      fi
      sleep 0.1
    done
    say "$name ended (pid $pid)"
  fi
  rm -f "$DIR/$name.pid"
}

# ---------------------------------------------------------------- kafka

configure_kafka() { # PLAIN CONTROLLER SASL TLS (ports)
  local at=127.0.0.1 id
  mkdir -p "$DIR/kafka"
  cat "$HERE/kafka.properties" - >"$DIR/kafka/server.properties" <<TEXT
controller.quorum.voters=1@$at:$2
listeners=PLAINTEXT://$at:$1,CONTROLLER://$at:$2,SASL_PLAINTEXT://$at:$3,SASL_SSL://$at:$4
advertised.listeners=PLAINTEXT://$at:$1,SASL_PLAINTEXT://$at:$3,SASL_SSL://$at:$4
ssl.keystore.type=PKCS12
ssl.keystore.location=$DIR/kafka/broker.p12
ssl.keystore.password=$TEST_PASSWORD
log.dirs=$DIR/kafka/data
TEXT
  keytool -genkeypair -alias broker -keyalg RSA -keysize 2048 -validity 30 -dname CN=127.0.0.1 \
    -ext san=ip:127.0.0.1,dns:localhost -ext bc:c=ca:true -storetype PKCS12 \
    -keystore "$DIR/kafka/broker.p12" -storepass "$TEST_PASSWORD" 2>/dev/null
  keytool -exportcert -rfc -alias broker -keystore "$DIR/kafka/broker.p12" -storepass "$TEST_PASSWORD" \
    >"$DIR/kafka/ca.pem" 2>/dev/null
  id=$("$PYTHON" -c 'import base64, uuid; print(base64.urlsafe_b64encode(b"vpp" + uuid.uuid4().bytes[3:]).decode()[:22])')
  java -cp "$KAFKA_HOME/libs/*" "-Dlog4j2.configurationFile=$HERE/log4j2.properties" kafka.tools.StorageTool format \
    -t "$id" -c "$DIR/kafka/server.properties" --add-scram "SCRAM-SHA-512=[name=$KAFKA_USER,password=$TEST_PASSWORD]" \
    >"$DIR/kafka/format.log" 2>&1 || { cat "$DIR/kafka/format.log" >&2; die "kafka: format failed"; }
}

launch_kafka() {
  [ -f "$DIR/kafka/server.properties" ] || die "no Kafka was set up in $DIR: run 'services.sh start $DIR' first"
  launch kafka java -Xmx512m -XX:+UseSerialGC "-Dlog4j2.configurationFile=$HERE/log4j2.properties" \
    -cp "$KAFKA_HOME/libs/*" kafka.Kafka "$DIR/kafka/server.properties"
}

await_kafka() { await kafka grep -q 'Kafka Server started' "$DIR/kafka/log"; }

kafka_listener() { # PROTOCOL: host:port
  sed -n 's/^advertised.listeners=//p' "$DIR/kafka/server.properties" | tr ',' '\n' | sed -n "s#^$1://##p"
}

# ---------------------------------------------------------------- influxdb

launch_influx() {
  [ -f "$DIR/influx/address" ] || die "no InfluxDB was set up in $DIR: run 'services.sh start $DIR' first"
  launch influx "$INFLUX_HOME/influxd" --bolt-path "$DIR/influx/influxd.bolt" --sqlite-path "$DIR/influx/influxd.sqlite" \
    --engine-path "$DIR/influx/engine" --http-bind-address "$(cat "$DIR/influx/address")" --reporting-disabled
}

await_influx() { await influx "$PYTHON" "$HERE/probe.py" healthy "http://$(cat "$DIR/influx/address")"; }

# ---------------------------------------------------------------- both

write_env() {
  local line
  {
    for line in \
      "VPP_TEST_SERVICES=$DIR" \
      "VPP_TEST_KAFKA=$(kafka_listener PLAINTEXT)" \
      "VPP_TEST_KAFKA_SASL=$(kafka_listener SASL_PLAINTEXT)" \
      "VPP_TEST_KAFKA_SASL_SSL=$(kafka_listener SASL_SSL)" \
      "VPP_TEST_KAFKA_CA=$DIR/kafka/ca.pem" \
      "VPP_TEST_KAFKA_USER=$KAFKA_USER" \
      "VPP_TEST_KAFKA_PASSWORD=$TEST_PASSWORD" \
      "VPP_TEST_KAFKA_PID=$(cat "$DIR/kafka.pid" 2>/dev/null || true)" \
      "VPP_TEST_INFLUX_URL=http://$(cat "$DIR/influx/address")" \
      "VPP_TEST_INFLUX_TOKEN=$INFLUX_TOKEN" \
      "VPP_TEST_INFLUX_ORG=$INFLUX_ORG" \
      "VPP_TEST_INFLUX_BUCKET=$INFLUX_BUCKET" \
      "VPP_TEST_INFLUX_PID=$(cat "$DIR/influx.pid" 2>/dev/null || true)"; do
      printf '%s=%q\n' "${line%%=*}" "${line#*=}"
    done
  } >"$DIR/env.new"
  mv "$DIR/env.new" "$DIR/env"
}

start() {
  local ports fresh=""
  built "$KAFKA_HOME" && built "$INFLUX_HOME" || die "not built yet: run 'services.sh build' first"
  if [ ! -f "$DIR/influx/address" ]; then
    fresh=yes
    # shellcheck disable=SC2207 # five numbers
    ports=($("$PYTHON" "$HERE/probe.py" ports 5))
    mkdir -p "$DIR/influx"
    echo "127.0.0.1:${ports[4]}" >"$DIR/influx/address"
  fi
  launch_influx
  if [ -n "$fresh" ]; then configure_kafka "${ports[@]:0:4}"; fi
  launch_kafka
  await_influx
  if [ -n "$fresh" ]; then
    "$PYTHON" "$HERE/probe.py" setup "http://$(cat "$DIR/influx/address")" "$TEST_PASSWORD" "$INFLUX_TOKEN" "$INFLUX_ORG" "$INFLUX_BUCKET"
  fi
  await_kafka
  write_env
  status
}

status() {
  local name
  for name in kafka influx; do
    if alive "$name"; then say "$name runs (pid $(cat "$DIR/$name.pid"))"; else say "$name does not run"; fi
  done
}

main() {
  local command=${1:-}
  case $command in
    kafka-libs)
      built "$KAFKA_HOME" || die "not built yet: run 'services.sh build' first"
      printf '%s\n' "$KAFKA_HOME/libs"
      return
      ;;
    doctor | build)
      $command
      return
      ;;
    start | stop | status | start-kafka | stop-kafka | kill-kafka | start-influx | stop-influx | kill-influx) ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  [ -n "${2:-}" ] || die "$command needs the directory that holds the services' data"
  case $command in start) mkdir -p "$2" ;; esac
  DIR=$(cd "$2" && pwd -P)
  case $command in
    start)
      if alive kafka || alive influx; then die "already started for $DIR (see 'services.sh status $DIR')"; fi
      # What was half started must not stay behind.
      trap 'end kafka KILL; end influx KILL' EXIT
      start
      trap - EXIT
      ;;
    stop) end kafka TERM; end influx TERM ;;
    status) status ;;
    start-kafka) launch_kafka; await_kafka; write_env; status ;;
    start-influx) launch_influx; await_influx; write_env; status ;;
    stop-kafka) end kafka TERM; write_env ;;
    stop-influx) end influx TERM; write_env ;;
    kill-kafka) end kafka KILL; write_env ;;
    kill-influx) end influx KILL; write_env ;;
  esac
}

main "$@"
