#!/usr/bin/env bash
# run.sh [pytest arguments]: the official OpenAI SDK against Enginehouse and a real vLLM that Enginehouse starts.
#   tests/sdk/run.sh                  everything (about 6 minutes; 5 GB of memory)
#   tests/sdk/run.sh -k stream        tests whose name matches
#   tests/sdk/run.sh --direct-only    the engines alone: checks what the tests expect of vLLM
# ENGINEHOUSE_BIN names the binary; without it, it is built. Installs into a cache outside the checkout, once.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
ROOT="$(cd "$HERE/../.." && pwd)"
CACHE="${ENGINEHOUSE_CI_CACHE:-$HOME/.cache/enginehouse-ci}"

"$ROOT/tests/engines/setup.sh"

VENV="$CACHE/sdk-$(sha256sum <"$HERE/requirements.txt" | cut -c1-16)"
mkdir -p "$CACHE"
exec 9>"$CACHE/sdk.lock"
flock 9
if [ ! -e "$VENV/.complete" ]; then
  rm -rf "$VENV"
  "${PYTHON:-python3}" -m venv "$VENV"
  "$VENV/bin/pip" install -q --disable-pip-version-check -r "$HERE/requirements.txt"
  touch "$VENV/.complete"
fi
flock -u 9

case " $* " in
  *" --direct-only "*) ;;
  *)
    if [ -z "${ENGINEHOUSE_BIN:-}" ]; then
      (cd "$ROOT" && cargo build --locked -p enginehouse)
      ENGINEHOUSE_BIN="${CARGO_TARGET_DIR:-$ROOT/target}/debug/enginehouse"
    fi
    export ENGINEHOUSE_BIN
    ;;
esac

cd "$HERE"
exec "$VENV/bin/python" -B -m pytest -p no:cacheprovider --tb=short "$@"
