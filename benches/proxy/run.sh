#!/usr/bin/env bash
# run.sh [--rounds N] [--seconds N] [--connections N]: CPU per governed request of Enginehouse beside nginx's plain reverse proxy.
# Needs nginx and wrk (installed with apt where they are missing and we are root), Python 3, and 2 cores or more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v wrk >/dev/null || missing+=(wrk)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing: ${missing[*]}. Install them and run this again." >&2
    exit 1
  fi
  # Where nobody has set a policy, keep the package from starting its own nginx.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
fi

cargo build --release --locked -p enginehouse -p engine-sim
export TARGET="${CARGO_TARGET_DIR:-$PWD/target}/release"
PATH="$PATH:/usr/sbin" python3 -B benches/proxy/bench.py "$@"
