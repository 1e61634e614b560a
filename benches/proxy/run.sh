#!/usr/bin/env bash
# run.sh [--help]: CPU per governed request, added latency and requests/s beside nginx, and LiteLLM where asked for.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"
exec python3 benches/proxy/proxy.py "$@"
