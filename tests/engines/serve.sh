#!/usr/bin/env bash
# serve.sh chat|embed [PORT] [vLLM flags...]: serves a tiny model in the foreground on 127.0.0.1; stop it with SIGTERM.
# Ready when /health answers 200 (20 to 50 s). Memory: chat 2.8 GB, embed 1.8 GB. Run setup.sh first.
set -euo pipefail
HERE="$(cd "$(dirname "$0")" && pwd)"
DEST="${ENGINEHOUSE_ENGINES:-$HOME/.cache/enginehouse-engines}"
KIND="${1:-chat}"
PORT="${2:-}"
shift $(($# > 2 ? 2 : $#))
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export TORCHDYNAMO_DISABLE="${TORCHDYNAMO_DISABLE:-1}"       # else the first logprobs request stalls 8 to 17 s in a compile
export VLLM_CPU_KVCACHE_SPACE="${VLLM_CPU_KVCACHE_SPACE:-1}" # GiB, whole numbers only
export VLLM_CPU_OMP_THREADS_BIND="${VLLM_CPU_OMP_THREADS_BIND:-nobind}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# The worker spins on one core; unpinned on a small machine it starves its client, and a stream arrives in one piece.
CPUSET="${VLLM_CPUSET-$(($(nproc) - 1))}"
[ -n "$CPUSET" ] && taskset -cp "$CPUSET" $$ >/dev/null
export PATH="$DEST/venv/bin:$PATH"
case "$KIND" in
  chat)
    exec vllm serve "$HERE/models/tiny-chat" --served-model-name tiny --host 127.0.0.1 --port "${PORT:-8000}" \
      --max-model-len 2048 --dtype float32 --enforce-eager --max-num-seqs 32 \
      --enable-auto-tool-choice --tool-call-parser hermes \
      --reasoning-parser qwen3 --default-chat-template-kwargs '{"enable_thinking": false}' "$@"
    ;;
  embed)
    exec vllm serve "$HERE/models/tiny-embed" --served-model-name tiny-embed --runner pooling --host 127.0.0.1 \
      --port "${PORT:-8001}" --max-model-len 512 --dtype float32 --enforce-eager "$@"
    ;;
  *)
    echo "usage: serve.sh chat|embed [PORT] [vLLM flags]" >&2
    exit 2
    ;;
esac
