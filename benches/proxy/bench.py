"""CPU per governed request of Enginehouse beside nginx's plain reverse proxy: same load, same upstream, interleaved.

Governed: a virtual key with an allow-list, a rate limit, a bound on parallel requests and a budget; a priced model; every
request in the ledger. nginx does none of this: it is what bare proxying costs on this machine.

The proxy under test has the first core to itself; the load generator (wrk) and the upstream share the others. CPU time is
that of the proxy's processes, from /proc, over requests that were answered in full.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ["TARGET"])
REQUEST_BYTES, ANSWER_BYTES = 4096, 1024
TICK = os.sysconf("SC_CLK_TCK")

NGINX = """
daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_buffer_size 64k; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream engine {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

DOCUMENT = """
version: 1
models:
  - name: bench
    type: chat
    price: {{ input: 0.10, output: 0.40 }}
    deployments:
      - endpoint: {{ provider: openai-compatible, url: "http://127.0.0.1:{upstream}/v1", model: bench }}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cores():
    """The proxy's core, and those of all else."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("The proxy must not share its core with the load: this needs 2 cores.")
    return str(usable[0]), ",".join(map(str, usable[1:]))


def request_body():
    """A chat completion of exactly REQUEST_BYTES."""
    body = lambda text: json.dumps({"model": "bench", "max_tokens": 100, "messages": [{"role": "user", "content": text}]})
    return body("x" * (REQUEST_BYTES - len(body(""))))


def cpu_seconds(pids):
    """User and system time of processes, their threads included."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def family(pid):
    """A process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


class Programs:
    """What runs for the benchmark; all of it ends with it."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, name, core, argv, answers):
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(["taskset", "-c", core, *argv], stdout=log, stderr=log, start_new_session=True)
        self.running.append(process)
        deadline = time.monotonic() + 30
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start:\n{(self.folder / f'{name}.log').read_text()}")
            time.sleep(0.05)
        return process.pid

    def stop(self):
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answers(port, path, status=200):
    def ask():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).status == status
        except (urllib.error.URLError, OSError):
            return False

    return ask


class Enginehouse:
    """A server on a home of its own, with one model and one key that is limited in every way, though never reached."""

    def __init__(self, programs, core, upstream):
        self.home, self.port, admin = programs.folder / "home", free_port(), free_port()
        listen = ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{admin}"]
        argv = [str(TARGET / "enginehouse"), "--home", str(self.home), "--log", "warn", "serve", *listen]
        self.pid = programs.start("enginehouse", core, argv, answers(self.port, "/health"))
        document = programs.folder / "bench.yaml"
        document.write_text(DOCUMENT.format(upstream=upstream))
        self.cli("apply", "-f", str(document), "--wait", "--timeout", "30s")
        limits = ["--models", "bench", "--rpm", "1000000000", "--parallel", "1000000", "--budget", "1000000"]
        self.key = json.loads(self.cli("key", "create", "--alias", "bench", *limits, "--json"))["key"]

    def cli(self, *arguments):
        argv = [str(TARGET / "enginehouse"), "--home", str(self.home), *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def booked(self):
        total = json.loads(self.cli("usage", "--json"))["total"]
        return total["requests"], total["completion_tokens"]


def load(core, port, key, arguments, folder):
    """Runs wrk; gives answered requests, seconds, latencies in ms and faults."""
    environment = {**os.environ, "BENCH_BODY": str(folder / "body.json"), "BENCH_KEY": key}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    argv = ["taskset", "-c", core, "wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "--latency"]
    text = subprocess.run([*argv, "-s", str(HERE / "post.lua"), url], env=environment, check=True, capture_output=True, text=True).stdout
    requests, seconds = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
    latency = {p: milliseconds(re.search(rf"^\s+{p}%\s+(\S+)", text, re.MULTILINE)[1]) for p in (50, 99)}
    faults = re.findall(r"^\s*(Non-2xx.*|Socket errors.*)$", text, re.MULTILINE)
    return int(requests), float(seconds), latency, faults


def milliseconds(text):
    number, unit = re.match(r"([\d.]+)(\D+)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Target:
    """A proxy under test and what was measured of it."""

    def __init__(self, name, pids, port, key):
        self.name, self.pids, self.port, self.key = name, pids, port, key
        self.micros, self.rates, self.p50, self.p99 = [], [], [], []
        self.answered = 0

    def measure(self, core, arguments, folder, record=True):
        before = cpu_seconds(self.pids())
        requests, seconds, latency, faults = load(core, self.port, self.key, arguments, folder)
        spent = cpu_seconds(self.pids()) - before
        if faults:
            raise SystemExit(f"{self.name}: {'; '.join(faults)}; see {folder}")
        self.answered += requests
        if record:
            self.micros.append(spent / requests * 1e6)
            self.rates.append(requests / seconds)
            self.p50.append(latency[50])
            self.p99.append(latency[99])


def report(targets, base):
    middle = statistics.median
    print(f"\n{'':14}{'CPU µs/request':>16}{'(lowest..highest)':>20}{'ratio':>8}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}")
    for target in targets:
        spread = f"({min(target.micros):.1f}..{max(target.micros):.1f})"
        ratio = middle([ours / theirs for ours, theirs in zip(target.micros, base.micros)])
        row = f"{target.name:14}{middle(target.micros):>16.1f}{spread:>20}{ratio:>8.2f}{middle(target.rates):>12.0f}"
        print(f"{row}{middle(target.p50):>9.2f}{middle(target.p99):>9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and home")
    arguments = parser.parse_args()
    proxy_core, other_cores = cores()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="enginehouse-bench-"))
    (folder / "body.json").write_text(request_body())
    programs = Programs(folder)
    try:
        targets, house = start(programs, proxy_core, other_cores)
        run(targets, other_cores, arguments, folder)
        report(targets, targets[0])
        check(house, targets[1])
    finally:
        programs.stop()
        if not arguments.keep:
            subprocess.run(["rm", "-rf", folder], check=True)


def start(programs, proxy_core, other_cores):
    upstream, port = free_port(), free_port()
    sim = [str(TARGET / "engine-sim"), "--port", str(upstream), "--model", "bench", "--fixed-bytes", str(ANSWER_BYTES)]
    programs.start("engine-sim", other_cores, sim, answers(upstream, "/health"))
    config = programs.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=programs.folder, port=port, upstream=upstream))
    nginx = programs.start("nginx", proxy_core, ["nginx", "-c", str(config), "-p", str(programs.folder)], answers(port, "/health"))
    house = Enginehouse(programs, proxy_core, upstream)
    one = Target("nginx", lambda: family(nginx), port, "none")
    other = Target("enginehouse", lambda: [house.pid], house.port, house.key)
    return [one, other], house


def run(targets, core, arguments, folder):
    print(f"{arguments.connections} connections, {REQUEST_BYTES} bytes in, {ANSWER_BYTES} out, {arguments.rounds} rounds of {arguments.seconds} s each")
    for target in targets:
        target.measure(core, arguments, folder, record=False)
    for number in range(arguments.rounds):
        # Whoever goes second finds a warmer machine: they take turns.
        for target in targets if number % 2 == 0 else reversed(targets):
            target.measure(core, arguments, folder)
        print(f"round {number + 1}: " + ", ".join(f"{t.name} {t.micros[-1]:.1f} µs" for t in targets), flush=True)


def check(house, target):
    """All that was answered is in the books: no request was fast because it was not governed."""
    deadline = time.monotonic() + 30
    while True:
        requests, tokens = house.booked()
        if requests >= target.answered and tokens >= 100 * target.answered:
            print(f"\nThe books hold {requests} requests ({target.answered} were answered in full; wrk breaks off the rest).")
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"The books hold {requests} requests, {tokens} tokens; {target.answered} requests were answered.")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
