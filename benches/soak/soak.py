"""Mixed load with faults: fails if memory goes on growing after the warm-up, or if the books miss what was answered.

Clients ask for whole answers and streams, leave in the middle, send large bodies and nonsense; of the two engines behind the
model, one fails in every way that the simulator knows, in turns.
"""

import argparse
import http.client
import json
import random
import statistics
import threading
import time

from machine import cores, resident_mib
from peers import Enginehouse, engine
from programs import Programs
from tables import describe_machine, table

FAULTS = ["refuse", "stall:3", "cut:2", "status:500", "status:429", "wrong-usage:negative", "wrong-usage:missing",
          "error-event:2", "no-done", "huge-event", "bad-json", "lying-length", "slow-headers:200"]
CLIENTS = 12
WARM_UP = 0.3  # of the time
# Growth that is no leak: of the allocator, and of SQLite's cache.
ALLOWED_MIB = 6.0

DOCUMENT = """
version: 1
models:
  - name: bench
    type: chat
    price: {{ input: 0.10, output: 0.40 }}
    deployments:
      - endpoint: {{ provider: openai-compatible, url: "http://127.0.0.1:{sound}/v1", model: bench }}
      - endpoint: {{ provider: openai-compatible, url: "http://127.0.0.1:{failing}/v1", model: bench }}
"""


class Client(threading.Thread):
    """One client that asks until `stop`, each time in another way."""

    def __init__(self, house, stop, seed):
        super().__init__(daemon=True)
        self.house, self.stop, self.dice = house, stop, random.Random(seed)
        self.seen, self.answered = {}, 0

    def run(self):
        client = self.connect()
        ways = [self.whole] * 8 + [self.stream] * 4 + [self.leave, self.large, self.unknown_model, self.wrong_key, self.nonsense]
        while not self.stop.is_set():
            way = self.dice.choice(ways)
            try:
                status = way(client)
            except (OSError, http.client.HTTPException):
                status = "broken"
            if status in ("left", "broken"):
                client.close()
                client = self.connect()
            self.seen[(way.__name__, status)] = self.seen.get((way.__name__, status), 0) + 1

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=10)

    def ask(self, client, body, key=None):
        headers = {"Authorization": f"Bearer {key or self.house.key}", "Content-Type": "application/json"}
        client.request("POST", "/v1/chat/completions", body, headers)
        return client.getresponse()

    def chat(self, **more):
        size = more.pop("size", 2_000)
        return json.dumps({"model": "bench", "max_tokens": 20, "messages": [{"role": "user", "content": "x" * size}], **more})

    def read(self, response):
        response.read()
        self.answered += response.status == 200
        return response.status

    def whole(self, client):
        return self.read(self.ask(client, self.chat()))

    def stream(self, client):
        return self.read(self.ask(client, self.chat(stream=True)))

    def large(self, client):
        return self.read(self.ask(client, self.chat(size=400_000)))

    def leave(self, client):
        self.ask(client, self.chat(stream=True)).read(100)
        return "left"

    def unknown_model(self, client):
        return self.read(self.ask(client, self.chat(model="nobody")))

    def wrong_key(self, client):
        return self.read(self.ask(client, self.chat(), key="sk-wrong"))

    def nonsense(self, client):
        return self.read(self.ask(client, self.chat()[: self.dice.randrange(1, 1_000)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and home")
    arguments = parser.parse_args()
    describe_machine()
    with Programs(arguments.keep) as programs:
        proxy, load = cores()
        pace = ["--tokens", "20", "--inter-token-ms", "2", "--max-model-len", "1000000"]
        sound, _ = engine(programs, load, *pace)
        failing, _ = engine(programs, load, *pace)
        house = Enginehouse(programs, proxy, sound)
        house.apply(DOCUMENT.format(sound=sound, failing=failing))
        stop = threading.Event()
        clients = [Client(house, stop, seed) for seed in range(CLIENTS)]
        for client in clients:
            client.start()
        samples = watch(house, failing, 60 * arguments.minutes)
        stop.set()
        for client in clients:
            client.join(30)
        report(clients, samples)
        house.expect_booked(sum(client.answered for client in clients))
        judge(samples)


def watch(house, failing, seconds):
    """Lets the engine fail in turns; seconds and MiB, once a second."""
    samples, began, dice = [], time.monotonic(), random.Random(7)
    while (now := time.monotonic() - began) < seconds:
        change = {"fault": dice.choice(FAULTS), "times": dice.randrange(1, 60)}
        if dice.random() < 0.1:
            change = {"refuse_for_ms": 300}
        tell(failing, change)
        time.sleep(1)
        samples.append((now, resident_mib(house.pids())))
    tell(failing, {"fault": None})
    return samples


def tell(port, change):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("POST", "/sim/faults", json.dumps(change), {"Content-Type": "application/json"})
        client.getresponse().read()
    except OSError:
        pass  # It refuses connections just now, as it was told.
    finally:
        client.close()


def report(clients, samples):
    seen = {}
    for client in clients:
        for what, times in client.seen.items():
            seen[what] = seen.get(what, 0) + times
    table(["", "seen", "times"], [[way, str(status), str(times)] for (way, status), times in sorted(seen.items(), key=str)])
    step = max(1, len(samples) // 10)
    print("RSS MiB: " + ", ".join(f"{memory:.1f}" for _, memory in samples[::step]))


def judge(samples):
    """Fails if memory grows after the warm-up, by the line that fits best."""
    settled = samples[int(WARM_UP * len(samples)):]
    slope = statistics.linear_regression(*zip(*settled)).slope
    grown = slope * (settled[-1][0] - settled[0][0])
    print(f"memory after the warm-up: {60 * slope:+.2f} MiB a minute, {grown:+.1f} MiB in all (allowed {ALLOWED_MIB})")
    if grown > ALLOWED_MIB:
        raise SystemExit("Memory grows.")


if __name__ == "__main__":
    main()
