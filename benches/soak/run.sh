#!/usr/bin/env bash
# run.sh [--help]: mixed load with faults for ten minutes; fails if memory grows or a request is missing in the books.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/soak/soak.py "$@"
