#!/usr/bin/env bash
# run.sh [--help]: memory idle and loaded, and the time from start to ready.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/footprint/footprint.py "$@"
