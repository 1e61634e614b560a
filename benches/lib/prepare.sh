# To be sourced: installs what the benchmarks need, builds a release, and says where it is in TARGET.
# Needs nginx and wrk (installed with apt where they are missing and we are root), Python 3.11, and 2 cores or more.
# A TARGET that is set already is measured as it is.
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

if [ -z "${TARGET:-}" ]; then
  cargo build --release --locked -p enginehouse -p engine-sim -p bench-load
  TARGET="${CARGO_TARGET_DIR:-$PWD/target}/release"
fi
export TARGET PYTHONPATH="$PWD/benches/lib" PYTHONDONTWRITEBYTECODE=1
PATH="$PATH:/usr/sbin"
