#!/usr/bin/env bash
# Sends what the description of the admin API allows, and what it does not, to a server with something in it: as somebody
# with the role admin, then as a viewer. No answer may be a 5xx or look other than described.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
enginehouse="${ENGINEHOUSE_BIN:?the binary under test}"
schemathesis="${SCHEMATHESIS:?the program}"

work="$(mktemp -d)"
export ENGINEHOUSE_HOME="$work/home"
# Nothing is pulled from anywhere, and nobody's cache is touched.
export HF_HOME="$work/hf" HF_ENDPOINT=http://127.0.0.1:9
mkdir -p "$HF_HOME/hub/models--org--tiny/blobs"
server=
finish() {
  [ -z "$server" ] || { kill "$server" && wait "$server" || true; } 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT

port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
ENGINEHOUSE_MASTER_KEY=sk-openapi-0123456789 ENGINEHOUSE_ADMIN_PASSWORD=openapi-0123456789 \
  "$enginehouse" serve --listen 127.0.0.1:0 --admin-listen "127.0.0.1:$port" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
  [ -S "$ENGINEHOUSE_HOME/control.sock" ] && "$enginehouse" account list >/dev/null 2>&1 && break
  sleep 0.1
done

"$enginehouse" apply -f "$here/document.yaml" >/dev/null
"$enginehouse" team create research --rpm 60 >/dev/null
for n in 1 2 3; do "$enginehouse" key create --alias "key$n" --team research --quiet >/dev/null; done
"$enginehouse" account create vera --role viewer >/dev/null 2>&1

status=0
for role in admin viewer; do
  token="$("$enginehouse" token create "openapi-$role" --role "$role" --quiet)"
  # Names of models may hold a slash, and those that were added are tried again in paths, where most do not fit.
  # The events never end: whatever can be sent with them is, by `any_last_event_id_is_answered` of the manager's tests.
  "$schemathesis" run "http://127.0.0.1:$port/api/openapi.json" -H "Authorization: Bearer $token" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth \
    --exclude-operation-id events --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-15}" --max-time 75 \
    --suppress-health-check filter_too_much \
    --workers 1 --request-timeout 20 --seed 1 --warnings off --output-truncate true || status=1
  "$enginehouse" token revoke "openapi-$role" >/dev/null
done
if grep -E '"?level"?.*ERROR| ERROR | panicked' "$work/log"; then status=1; fi
exit $status
