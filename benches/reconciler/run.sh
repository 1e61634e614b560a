#!/usr/bin/env bash
# run.sh [--help]: CPU of a pass of the reconciler over many replicas, and how soon a change of one shows.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/reconciler/reconciler.py "$@"
