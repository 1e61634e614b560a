"""What streaming costs beside nginx's plain reverse proxy: CPU per chunk, the added time to the first chunk, stalls, memory.

The engine sends a chunk to each stream at a fixed pace; every chunk carries the time at which it was sent, so the clients
know how long each was on its way.
"""

import argparse
import json
import subprocess
import threading
import time
from dataclasses import dataclass, field

from machine import cores, cpu_seconds, free_port, resident_mib
from peers import Direct, Enginehouse, Nginx
from programs import TARGET, Programs, listens
from tables import describe_machine, middle, ratio, table

# Milliseconds between two chunks of a stream and chunks of an answer, by streams at once: the clients and the engine share
# what the proxy leaves, and must not be what is measured.
PACE = {1: (5, 400), 100: (20, 150), 512: (100, 60), 1_000: (200, 40), 5_000: (1_000, 10)}


@dataclass
class Measured:
    micros: list = field(default_factory=list)
    reports: list = field(default_factory=list)
    memory: float = 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds; in each every peer has its turn (3)")
    parser.add_argument("--streams", type=int, nargs="+", default=list(PACE), help="at once (1 100 512 1000 5000)")
    parser.add_argument("--compare", metavar="PATH", nargs="*", default=[], help="other builds of enginehouse to compare")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and homes")
    arguments = parser.parse_args()
    describe_machine()
    for streams in arguments.streams:
        every, chunks = PACE.get(streams, (100, 60))
        # Programs of their own for each number of streams, so that memory is what this number takes.
        with Programs(arguments.keep) as programs:
            peers = start(programs, every, chunks, arguments.compare)
            measured = [Measured() for _ in peers]
            for number in range(arguments.rounds):
                turns = list(zip(peers, measured))
                for peer, into in turns if number % 2 == 0 else reversed(turns):
                    crowd(peer, streams, every, into)
            report(peers, measured, streams, every)
            for house in peers[2:]:
                house.expect_booked(streams * arguments.rounds)


def start(programs, every, chunks, compare):
    proxy, other = cores()
    port = free_port()
    argv = [TARGET / "bench-load", "engine", "--port", port, "--chunks", chunks, "--every-ms", every]
    process = programs.start("engine", other, argv, listens(port))
    houses = [("enginehouse", None), *((f"build-{at}", path) for at, path in enumerate(compare, 1))]
    return [Direct(port, process), Nginx(programs, proxy, port, streams=True)] + [
        Enginehouse(programs, proxy, port, name, path) for name, path in houses
    ]


def crowd(peer, streams, every, into):
    """Opens the streams through `peer`, and watches over its memory meanwhile."""
    argv = ["taskset", "-c", cores()[1], str(TARGET / "bench-load"), "streams", "--address", f"127.0.0.1:{peer.port}",
            "--key", peer.key, "--streams", str(streams), "--over-ms", str(max(1_000, every))]
    before = cpu_seconds(peer.pids())
    clients = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    watch = threading.Thread(target=watch_memory, args=(peer, into, clients))
    watch.start()
    report = json.loads(clients.communicate()[0])
    watch.join()
    if report["failed"]:
        raise SystemExit(f"{peer.name}: {report['failed']} of {streams} streams failed: {report['fault']}")
    into.micros.append((cpu_seconds(peer.pids()) - before) / report["chunks"] * 1e6)
    into.reports.append(report)


def watch_memory(peer, into, clients):
    while clients.poll() is None:
        into.memory = max(into.memory, resident_mib(peer.pids()))
        time.sleep(0.1)


def report(peers, measured, streams, every):
    print(f"{streams} streams at once, a chunk each every {every} ms; medians of the rounds, stalls and memory at worst\n")
    direct, nginx = measured[0], measured[1]
    of = lambda one, what, which: middle([report[what][which] for report in one.reports])
    rows = []
    for peer, one in zip(peers, measured):
        cpu, added = ["", ""], ["", ""]
        if one is not direct:
            cpu = [f"{middle(one.micros):.1f}", f"{ratio(one.micros, nginx.micros):.2f}"]
            added = [f"{of(one, 'first', which) - of(direct, 'first', which):+.0f}" for which in ("p50", "p99")]
        way = [f"{of(one, 'way', which):.0f}" for which in ("p50", "p99")]
        worst = max(report["way"]["max"] for report in one.reports) / 1000
        stalls = sum(report["stalls"] for report in one.reports)
        rows.append([peer.name, *cpu, *added, *way, f"{worst:.1f}", str(stalls), f"{one.memory:.0f}"])
    columns = ["", "CPU µs/chunk", "× nginx", "added TTFT p50 µs", "p99 µs", "chunk's way p50 µs", "p99 µs", "worst ms",
               "over 50 ms", "RSS MiB"]
    table(columns, rows)


if __name__ == "__main__":
    main()
