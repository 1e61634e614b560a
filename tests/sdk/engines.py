"""How the two tiny models are served by vLLM, and what can be asked of a running one."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/engines/models"
INSTALLED = pathlib.Path(os.environ.get("ENGINEHOUSE_ENGINES", pathlib.Path.home() / ".cache/enginehouse-engines"))

# vLLM's worker spins while it generates: on a core of its own it leaves the others to the gateway and to the tests.
# The embedding engine streams nothing; it may share.
CORES = {"tiny": str((os.cpu_count() or 1) - 1), "tiny-embed": "0"}
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "TORCHDYNAMO_DISABLE": "1",  # else the first logprobs request stalls in a compile
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "PATH": f"{INSTALLED}/venv/bin:{os.environ['PATH']}",
}
FLAGS = {
    "tiny": [
        "--max-model-len", "2048", "--dtype", "float32", "--enforce-eager", "--max-num-seqs", "32",
        "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3",
        "--default-chat-template-kwargs", '{"enable_thinking": false}',
    ],
    "tiny-embed": ["--runner", "pooling", "--max-model-len", "512", "--dtype", "float32", "--enforce-eager"],
}  # fmt: skip
SOURCE = {"tiny": MODELS / "tiny-chat", "tiny-embed": MODELS / "tiny-embed"}
START_TIMEOUT = 600


def command(model, source="{source}", name="{name}", port="{port}"):
    """The command that serves a model; with placeholders, as a document has it."""
    program = ["taskset", "-c", CORES[model], f"{INSTALLED}/venv/bin/vllm", "serve", source]
    return [*program, "--served-model-name", name, "--host", "127.0.0.1", "--port", port, *FLAGS[model]]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(condition, timeout, every=0.05):
    """The first true value that `condition` gives; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition.__doc__ or condition}"
        time.sleep(every)


class Engine:
    """A running vLLM, by its address."""

    def __init__(self, address):
        self.url = address.rstrip("/")

    def metric(self, name):
        """The sum of a metric over its series."""
        page = httpx.get(f"{self.url}/metrics").text
        values = re.findall(rf"^vllm:{name}{{[^}}]*}} (\S+)$", page, re.MULTILINE)
        assert values, f"no metric vllm:{name}"
        return sum(map(float, values))

    def tokens(self):
        """Prompt and generated tokens since the engine started."""
        return self.metric("prompt_tokens_total"), self.metric("generation_tokens_total")

    def running(self):
        return self.metric("num_requests_running") + self.metric("num_requests_waiting")

    def healthy(self):
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


class Served(Engine):
    """A vLLM that the tests start themselves, for `--direct-only`."""

    def __init__(self, model, log):
        port = free_port()
        super().__init__(f"http://127.0.0.1:{port}")
        argv = command(model, str(SOURCE[model]), model, str(port))
        environment = {**os.environ, **ENVIRONMENT}
        self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
