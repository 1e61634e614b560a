#!/usr/bin/env bash
# run.sh [--help]: CPU per streamed chunk, added time to the first one, stalls and memory beside nginx.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/streams/streams.py "$@"
