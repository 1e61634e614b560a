"""How long the gateway takes to go over to a new snapshot with many models and keys, and whether requests notice."""

import argparse
import hashlib
import http.client
import json
import sqlite3
import subprocess
import threading
import time

from machine import cores, free_port
from peers import Enginehouse, engine
from programs import TARGET, Programs, listens
from tables import describe_machine, middle, table

MODEL = """
  - name: model-{at}
    type: chat
    price: {{ input: {price} }}
    deployments:
      - endpoint: {{ provider: openai-compatible, url: "http://127.0.0.1:{upstream}/v1", model: bench }}
"""


class Logged(Enginehouse):
    """One whose gateway logs how long each snapshot took."""

    def start(self):
        from peers import answers

        listen = ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin}"]
        argv = [self.binary, "--home", self.home, "--log", "warn,gateway=debug", "--log-format", "json", "serve", *listen]
        return self.programs.start(self.name, self.core, argv, answers(self.port, "/health"))

    def taken_over(self):
        """Microseconds of each snapshot, with its models and keys."""
        log = (self.programs.folder / f"{self.name}.log").read_text()
        lines = [json.loads(line) for line in log.splitlines() if '"taken over"' in line]
        return [(int(line["micros"]), line["models"], line["keys"]) for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1_000, help="models (1,000)")
    parser.add_argument("--keys", type=int, default=10_000, help="virtual keys (10,000)")
    parser.add_argument("--applies", type=int, default=20, help="applies that are timed (20)")
    parser.add_argument("--streams", type=int, default=500, help="streams at once, after the requests; 0 leaves them out (500)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and home")
    arguments = parser.parse_args()
    describe_machine()
    with Programs(arguments.keep) as programs:
        proxy, load = cores()
        port, _ = engine(programs, load, "--fixed-bytes", 1024)
        house = Logged(programs, proxy, port)
        programs.stop(house.process)
        add_keys(house, arguments.keys - 1)
        house.process = house.start()
        document = (programs.folder / f"{house.name}.yaml").read_text().rstrip("\n")
        state = lambda price: document + "".join(
            MODEL.format(at=at, upstream=port, price=price) for at in range(arguments.models - 1)
        )
        house.apply(state(1))
        time.sleep(3)
        still, took = probed(house, lambda: time.sleep(5)), len(house.taken_over())
        moved = probed(house, lambda: [timed_apply(house, state(2 + n)) for n in range(arguments.applies)])
        swaps = [row for row in house.taken_over()[took:] if row[1] == arguments.models]
        if len(swaps) < arguments.applies or any(row[2] != arguments.keys for row in swaps):
            raise SystemExit(f"{len(swaps)} snapshots were taken over, not {arguments.applies} of {arguments.keys} keys: {swaps}")
        millis = sorted(row[0] / 1000 for row in swaps)
        spans = lambda values: [f"{middle(values):.2f}", f"{values[int(0.99 * (len(values) - 1))]:.2f}", f"{values[-1]:.2f}"]
        print(f"{arguments.models} models, {arguments.keys} keys, {len(swaps)} snapshots in {arguments.applies} applies\n")
        rows = [
            ["gateway: from a snapshot to serving from it", *spans(millis)],
            ["a request meanwhile", *spans(moved)],
            ["a request while nothing changes", *spans(still)],
        ]
        if arguments.streams:
            # The one model that is asked leads to an engine that streams; the others stay as they are.
            source = stream_source(programs, load)
            document = document.replace(f":{port}/v1", f":{source}/v1")
            house.apply(state(1))
            quiet = streamed(house, load, arguments.streams, lambda: None)
            busy = streamed(house, load, arguments.streams, lambda: [timed_apply(house, state(2 + n)) for n in range(arguments.applies)])
            rows.append([f"a chunk's way meanwhile, {arguments.streams} streams", *busy])
            rows.append(["a chunk's way while nothing changes", *quiet])
        table(["ms", "p50", "p99", "worst"], rows)


def add_keys(house, count):
    """As `key create` leaves them, without ten thousand commands."""
    with sqlite3.connect(house.home / "enginehouse.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(keys)")]
        first = dict(zip(columns, database.execute("SELECT * FROM keys").fetchone()))
        for at in range(count):
            digest = hashlib.sha256(f"sk-{at}".encode()).hexdigest()
            row = {**first, "id": digest[:12], "hash": digest, "alias": f"key-{at}"}
            places = ", ".join("?" * len(columns))
            database.execute(f"INSERT INTO keys ({', '.join(columns)}) VALUES ({places})", [row[name] for name in columns])


def stream_source(programs, core):
    """Port of an engine that sends each stream a chunk every 100 ms, for 20 s."""
    port = free_port()
    argv = [TARGET / "bench-load", "engine", "--port", port, "--chunks", 200, "--every-ms", 100]
    programs.start("streams", core, argv, listens(port))
    return port


def streamed(house, core, count, work):
    """Milliseconds from the engine to the client of the chunks of `count` streams that run during `work`."""
    argv = ["taskset", "-c", core, str(TARGET / "bench-load"), "streams", "--address", f"127.0.0.1:{house.port}",
            "--key", house.key, "--streams", str(count), "--over-ms", "1000"]
    clients = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    work()
    if clients.poll() is not None:
        raise SystemExit("the streams ended before the applies did: take fewer applies")
    report = json.loads(clients.communicate()[0])
    if report["failed"]:
        raise SystemExit(f"{report['failed']} of {count} streams failed: {report['fault']}")
    return [f"{report['way'][which] / 1000:.2f}" for which in ("p50", "p99", "max")]


def timed_apply(house, document):
    path = house.programs.folder / "next.yaml"
    path.write_text(document)
    house.cli("apply", "-f", str(path))


def probed(house, work):
    """Milliseconds of requests that one client sends without a pause while `work` runs, sorted."""
    done, times = threading.Event(), []

    def ask():
        client = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
        body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "hi"}]})
        headers = {"authorization": f"Bearer {house.key}", "content-type": "application/json"}
        while not done.is_set():
            began = time.monotonic()
            client.request("POST", "/v1/chat/completions", body, headers)
            answer = client.getresponse()
            answer.read()
            times.append(1000 * (time.monotonic() - began))
            if answer.status != 200:
                raise SystemExit(f"a request got {answer.status}")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        work()
    finally:
        done.set()
        asking.join()
    return sorted(times)


main()
