#!/usr/bin/env bash
# run.sh [--help]: CPU per byte of bodies from 1 KiB to 16 MiB beside nginx.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/bodies/bodies.py "$@"
