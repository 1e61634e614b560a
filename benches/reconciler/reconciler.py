"""CPU of a pass of the reconciler over many replicas, and how soon the end of one shows.

The manager runs in a process of its own (`--role manager`): what it uses is the reconciler with all that goes with it, health
checks of all replicas and the look at the containers included, and its other tasks (events, drain, watch over the store).
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import time
import urllib.request

from machine import cores, cpu_seconds, free_port
from programs import TARGET, Programs, answers, listens
from tables import describe_machine, middle, table

KEY = "sk-benchmark-benchmark-benchmark-0123456789"
# Between two passes that nothing asks for.
TICK = 0.5
# Replicas of one model, at most.
MOST = 8


class House:
    def __init__(self, programs, core, environment):
        self.binary = TARGET / "enginehouse"
        self.home = programs.folder / "home"
        self.client, self.admin = free_port(), free_port()
        environment = {**environment, "ENGINEHOUSE_MASTER_KEY": KEY}
        serve = [self.binary, "--home", self.home, "--log", "warn", "serve", "--listen", f"127.0.0.1:{self.client}"]
        admin = ["--admin-listen", f"127.0.0.1:{self.admin}", "--stop-engines", "always"]
        self.manager = programs.start("manager", core, [*serve, *admin, "--role", "manager"], listens(self.admin), environment)
        self.gateway = programs.start("gateway", core, [*serve, "--role", "gateway"], answers(self.client, "/health"))

    def apply(self, document):
        argv = [self.binary, "--home", self.home, "apply", "-f", "-", "--wait", "--timeout", "20m"]
        subprocess.run(argv, input=json.dumps(document).encode(), check=True, stdout=subprocess.DEVNULL)

    def models(self):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}/api/v1/models?limit=1000", headers={"authorization": f"Bearer {KEY}"}
        )
        return json.load(urllib.request.urlopen(request, timeout=10))

    def replica(self, replica):
        """How one is now."""
        model = replica.split("-")[0]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin}/api/v1/models/{model}", headers={"authorization": f"Bearer {KEY}"}
        )
        model = json.load(urllib.request.urlopen(request, timeout=10))
        return next(one for one in model["deployments"][0]["replicas"] if one["id"] == replica)


def document(replicas, image):
    """So many replicas, as few models as may be."""
    command = [str(TARGET / "enginehouse"), "engine-sim", "--port", "{port}", "--model", "{name}", "--tokens", "4"]
    models, at = [], 0
    while replicas > 0:
        engine = {"source": "sim/model", "replicas": min(replicas, MOST), "env": {"TOKIO_WORKER_THREADS": "1"}}
        engine |= {"runtime": "docker", "image": image} if image else {"runtime": "process", "command": command}
        models.append({"name": f"m{at}", "type": "chat", "deployments": [{"id": f"m{at}-d", "engine": engine}]})
        replicas, at = replicas - MOST, at + 1
    return {"version": 1, "defaults": {"offline": True, "containers": {"shm_bytes": 67108864}}, "models": models}


def passes(house, seconds):
    """Milliseconds of CPU of the manager per pass, over so long."""
    before, began = cpu_seconds([house.manager.pid]), time.monotonic()
    time.sleep(seconds)
    used, lasted = cpu_seconds([house.manager.pid]) - before, time.monotonic() - began
    return used * 1000 / (lasted / TICK)


def end(replica, docker):
    if replica["container"]:
        subprocess.run([*docker, "kill", replica["container"]], check=True, stdout=subprocess.DEVNULL)
    else:
        os.kill(replica["pid"], signal.SIGKILL)


def visible(house, times, docker):
    """Milliseconds from the end of an engine until the API tells, for some that are picked at random."""
    seen = []
    for _ in range(times):
        ready = [
            replica
            for model in house.models()
            for replica in model["deployments"][0]["replicas"]
            if replica["state"] == "ready"
        ]
        victim = random.choice(ready)
        end(victim, docker)
        began = time.monotonic()
        while house.replica(victim["id"])["state"] == "ready":
            time.sleep(0.005)
        seen.append((time.monotonic() - began) * 1000)
        while house.replica(victim["id"])["state"] != "ready":
            time.sleep(0.05)
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=100, help="engines (100)")
    parser.add_argument("--seconds", type=float, default=20, help="how long passes are looked at (20)")
    parser.add_argument("--kills", type=int, default=10, help="engines that are killed, one after the other (10)")
    parser.add_argument("--image", help="run them in containers of this image; DOCKER_HOST says where (processes unless given)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and home")
    arguments = parser.parse_args()
    describe_machine()
    environment = {name: os.environ[name] for name in ["DOCKER_HOST"] if name in os.environ}
    with Programs(arguments.keep) as programs:
        core, _ = cores()
        house = House(programs, core, environment)
        idle = passes(house, arguments.seconds / 2)
        house.apply(document(arguments.replicas, arguments.image))
        time.sleep(5)
        busy = passes(house, arguments.seconds)
        seen = visible(house, arguments.kills, ["docker"])
        kind = "containers" if arguments.image else "processes"
        rows = [[f"{arguments.replicas} {kind}", f"{idle:.1f}", f"{busy:.1f}", f"{middle(seen):.0f}", f"{max(seen):.0f}"]]
        table(["replicas", "CPU ms/pass, none", "CPU ms/pass", "end shown after ms, median", "worst"], rows)


if __name__ == "__main__":
    main()
