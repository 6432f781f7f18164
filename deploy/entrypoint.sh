#!/bin/sh
# numba reads compiled kernels only from a folder that it may write to, and the image is read-only: they are copied.
set -eu
[ -d "$NUMBA_CACHE_DIR" ] || cp -r /opt/vpp/numba "$NUMBA_CACHE_DIR"
exec "$@"
