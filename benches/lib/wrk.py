"""Load by wrk: the same chat completion again and again."""

import json
import os
import pathlib
import re
import subprocess
from dataclasses import dataclass, field

from machine import cpu_seconds

HERE = pathlib.Path(__file__).resolve().parent


@dataclass
class Measured:
    """What was measured of one peer under one load, a value a round."""

    micros: list = field(default_factory=list)
    rates: list = field(default_factory=list)
    p50: list = field(default_factory=list)
    p99: list = field(default_factory=list)
    answered: int = 0


def body(size):
    """A chat completion of exactly `size` bytes."""
    whole = lambda text: json.dumps({"model": "bench", "max_tokens": 100, "messages": [{"role": "user", "content": text}]})
    return whole("x" * (size - len(whole(""))))


def write_body(folder, size):
    path = folder / f"body-{size}.json"
    if not path.exists():
        path.write_text(body(size))
    return path


def measure(peer, core, connections, seconds, request, into=None):
    """Loads `peer` from `core`; adds what was measured to `into`."""
    before = cpu_seconds(peer.pids())
    requests, took, latency, faults = _run(core, peer.port, peer.key, connections, seconds, request)
    spent = cpu_seconds(peer.pids()) - before
    if faults:
        raise SystemExit(f"{peer.name}: {'; '.join(faults)}")
    if into is not None:
        into.micros.append(spent / requests * 1e6)
        into.rates.append(requests / took)
        into.p50.append(latency[50])
        into.p99.append(latency[99])
        into.answered += requests
    return requests


def _run(core, port, key, connections, seconds, request):
    environment = {**os.environ, "BENCH_BODY": str(request), "BENCH_KEY": key}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    argv = ["taskset", "-c", core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
    run = subprocess.run([*argv, "-s", str(HERE / "post.lua"), url], env=environment, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"wrk failed: {run.stdout}{run.stderr}")
    text = run.stdout
    requests, took = re.search(r"(\d+) requests in ([\d.]+)(?:s|m)", text).groups()
    latency = {p: _millis(re.search(rf"^\s+{p}%\s+(\S+)", text, re.MULTILINE)[1]) for p in (50, 99)}
    faults = re.findall(r"^\s*(Non-2xx.*|Socket errors.*)$", text, re.MULTILINE)
    return int(requests), float(took), latency, faults


def _millis(text):
    number, unit = re.match(r"([\d.]+)(\D+)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
