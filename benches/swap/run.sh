#!/usr/bin/env bash
# run.sh [--help]: how long the gateway takes to go over to a new snapshot, and whether requests notice.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/swap/swap.py "$@"
