"""Memory idle and loaded, and the time from start to ready on a home that has been in use."""

import argparse
import http.client
import subprocess
import time

import wrk
from machine import cores, resident_mib
from peers import Enginehouse, engine
from programs import Programs
from tables import describe_machine, middle, table

MODEL = """
  - name: model-{at}
    type: chat
    deployments:
      - endpoint: {{ provider: openai-compatible, url: "http://127.0.0.1:{upstream}/v1", model: bench }}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50, help="models in the home (50)")
    parser.add_argument("--keys", type=int, default=200, help="keys in the home (200)")
    parser.add_argument("--seconds", type=int, default=15, help="length of the load, which also fills the books (15)")
    parser.add_argument("--starts", type=int, default=10, help="starts that are timed (10)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and home")
    arguments = parser.parse_args()
    describe_machine()
    with Programs(arguments.keep) as programs:
        proxy, load = cores()
        port, _ = engine(programs, load, "--fixed-bytes", 1024)
        house = Enginehouse(programs, proxy, port)
        time.sleep(5)
        rows = [["idle, one model and one key", f"{resident_mib(house.pids()):.0f} MiB"]]
        populate(house, port, arguments)
        requests = wrk.measure(house, load, 64, arguments.seconds, wrk.write_body(programs.folder, 4096))
        loaded = resident_mib(house.pids())
        house.expect_booked(requests)
        print()
        rows.append([f"after {arguments.seconds} s at 64 connections", f"{loaded:.0f} MiB"])
        times = [timed_start(programs, house) for _ in range(arguments.starts)]
        time.sleep(5)
        home = f"{arguments.models} models, {arguments.keys} keys, {requests:,} events"
        rows.append([f"idle, {home}", f"{resident_mib(house.pids()):.0f} MiB"])
        rows.append([f"start to ready, {home}", f"{middle(times):.0f} ms ({min(times):.0f}–{max(times):.0f})"])
        table(["", ""], rows)


def populate(house, upstream, arguments):
    more = "".join(MODEL.format(at=at, upstream=upstream) for at in range(arguments.models - 1))
    document = (house.programs.folder / f"{house.name}.yaml").read_text().rstrip("\n")
    house.apply(document + more)
    for at in range(arguments.keys - 1):
        house.cli("key", "create", "--alias", f"key-{at}", "--rpm", "1000", "--budget", "100")


def timed_start(programs, house):
    """Milliseconds from the start of the program to its first readiness."""
    programs.stop(house.process)
    listen = ["--listen", f"127.0.0.1:{house.port}", "--admin-listen", f"127.0.0.1:{house.admin}"]
    argv = ["taskset", "-c", house.core, house.binary, "--home", house.home, "--log", "warn", "serve", *listen]
    began = time.monotonic()
    house.process = subprocess.Popen(argv, start_new_session=True)
    programs.running.append(house.process)
    while not is_ready(house.port):
        if time.monotonic() - began > 30:
            raise SystemExit("enginehouse was not ready within 30 s")
        time.sleep(0.001)
    return 1000 * (time.monotonic() - began)


def is_ready(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        client.request("GET", "/health/readiness")
        return client.getresponse().status == 200
    except OSError:
        return False
    finally:
        client.close()


if __name__ == "__main__":
    main()
