#!/usr/bin/env bash
# containers.sh [--help]: as run.sh, with engines in containers on a Docker daemon of its own. Needs root, dockerd, containerd and docker.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/prepare.sh"

folder="$(mktemp --directory --tmpdir eh-bench-docker-XXXXXX)"
export DOCKER_HOST="unix://$folder/sock"
finish() {
  docker ps --all --quiet 2>/dev/null | xargs --no-run-if-empty docker rm --force >/dev/null 2>&1 || true
  kill "${dockerd:-}" 2>/dev/null && wait "$dockerd" 2>/dev/null || true
  kill "${containerd:-}" 2>/dev/null && wait "$containerd" 2>/dev/null || true
  awk -v at="$folder/" 'index($2, at) == 1 { print $2 }' /proc/mounts | sort --reverse | xargs --no-run-if-empty umount --lazy
  rm -rf "$folder"
}
trap finish EXIT

cat >"$folder/containerd.toml" <<EOF
version = 2
root = "$folder/croot"
state = "$folder/cstate"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$folder/c.sock"
EOF
containerd --config "$folder/containerd.toml" >>"$folder/log" 2>&1 &
containerd=$!
# No rules of the machine's firewall: containers are reached from here only.
dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" --host "$DOCKER_HOST" \
  --containerd "$folder/c.sock" --default-address-pool base=10.240.0.0/16,size=24 --bridge=none --iptables=false \
  >>"$folder/log" 2>&1 &
dockerd=$!
for _ in $(seq 300); do
  docker version >/dev/null 2>&1 && break
  sleep 0.1
done

image=enginehouse-bench/vllm:1
mkdir -p "$folder/root/tmp"
cp "$TARGET/enginehouse" "$folder/root/"
ldd "$TARGET/enginehouse" | grep --only-matching '/[^ ]*' | while read -r library; do
  mkdir -p "$folder/root$(dirname "$library")"
  cp "$library" "$folder/root$library"
done
tar -C "$folder/root" -c . | docker import --change 'ENTRYPOINT ["/enginehouse", "engine-sim", "--vllm"]' - "$image" >/dev/null
rm -rf "$folder/root"
python3 benches/reconciler/reconciler.py --image "$image" "$@"
