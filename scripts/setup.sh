#!/bin/sh
# Makes .venv with everything that `make up` and `make test` need. Run through `make setup`.
#
#   PYTHON=python3.12   use this interpreter instead of the newest suitable one
#
# Needs Python 3.11 to 3.14 with its venv module: no compiler, no Docker, no Java.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $1"; shift; for line in "$@"; do say "  $line"; done; exit 1; }

is_suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

python_install_hint() {
    if [ "$(uname -s)" = Darwin ]; then say "  install it:  brew install python@3.13"
    elif command -v apt-get >/dev/null 2>&1; then
        say "  install it:  sudo apt-get install python3 python3-venv"
        say "  (where the system's python3 is older than 3.11, as on Ubuntu 22.04:  sudo apt-get install python3.11 python3.11-venv)"
    elif command -v dnf >/dev/null 2>&1; then say "  install it:  sudo dnf install python3.12"
    else say "  install Python 3.11 or newer with your system's package manager"; fi
}

# Prints the interpreter to use: the newest that has venv, else explains which package is missing.
find_python() {
    without_venv=""
    for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        is_suitable "$candidate" || continue
        if has_venv "$candidate"; then echo "$candidate"; return 0; fi
        [ -n "$without_venv" ] || without_venv=$candidate
    done
    if [ -n "$without_venv" ]; then
        say "setup: $without_venv ($(version_of "$without_venv")) lacks the venv module (ensurepip), which Debian and Ubuntu package apart"
        say "  install it:  sudo apt-get install python$(version_of "$without_venv")-venv"
    else
        say "setup: no Python 3.11 to 3.14 found${PYTHON:+ under the name $PYTHON}"
        python_install_hint
    fi
    return 1
}

if [ "$(uname -s)" = Darwin ] && [ "$(uname -m)" = x86_64 ]; then
    fail "Intel Macs are not supported: numba and llvmlite no longer ship wheels for them" \
        "run it in a Linux virtual machine or container there"
fi

venv_python=.venv/bin/python
if [ -e .venv ] && ! { [ -x $venv_python ] && is_suitable $venv_python && $venv_python -m pip --version >/dev/null 2>&1; }; then
    say "setup: .venv is incomplete or its Python is gone; making it anew"
    rm -rf .venv
fi
if [ ! -e .venv ]; then
    python=$(find_python) || exit 1
    say "setup: making .venv with $python ($(version_of "$python"))"
    "$python" -m venv .venv
fi

quiet=-q
[ -t 2 ] && quiet=
say "setup: installing 141 packages into $(cd .venv && pwd -P) (310 MB to fetch the first time, 1.2 GB on disk); this takes a minute or two"
PIP_DISABLE_PIP_VERSION_CHECK=1 $venv_python -m pip install $quiet -c constraints.txt -e '.[dev]' >&2 || fail "pip could not install the dependencies" \
    "the error above says which; without network access, set pip's own options (PIP_INDEX_URL, PIP_FIND_LINKS, PIP_PROXY) and run make setup again"

# Native libraries that a wheel leaves to the system show up here, not in the middle of the first run.
if ! $venv_python -c 'import confluent_kafka, numba, rocksdict, xgboost' 2>.venv/import-check.log; then
    tail -n 3 .venv/import-check.log >&2
    if [ "$(uname -s)" = Darwin ]; then
        fail "a native library does not load; xgboost needs the OpenMP runtime" "install it:  brew install libomp"
    fi
    fail "a native library does not load" "on a minimal Debian or Ubuntu:  sudo apt-get install libstdc++6 libgomp1"
fi
touch .venv/.installed
say "setup: done. Next: make up, make test, or .venv/bin/vpp --help"
