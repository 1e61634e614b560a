"""An Enginehouse of our own: its home, its server process, its command line."""

import json
import os
import signal
import subprocess

import httpx
import yaml

from engines import ENVIRONMENT, SOURCE, START_TIMEOUT, Engine, command, eventually, free_port

PRICES = {"tiny": {"input": 1.0, "output": 2.0}, "tiny-embed": {"input": 0.5}}
TYPES = {"tiny": "chat", "tiny-embed": "embedding"}


def document():
    """The desired state: two models, an engine each."""
    engine = lambda name: {
        "source": str(SOURCE[name]),
        "runtime": "process",
        "command": command(name),
        "env": ENVIRONMENT,
        "start_timeout": START_TIMEOUT,
    }
    model = lambda name: {
        "name": name,
        "type": TYPES[name],
        "price": PRICES[name],
        "deployments": [{"engine": engine(name)}],
    }
    return {"version": 1, "models": [model(name) for name in SOURCE]}


class House:
    """`enginehouse serve` on a home that nobody else uses."""

    def __init__(self, folder, environment=None):
        self.environment = {**os.environ, **(environment or {})}
        self.binary = os.environ["ENGINEHOUSE_BIN"]
        self.folder = folder
        self.home = folder / "home"
        self.log = open(folder / "serve.log", "ab")
        self.listen, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.listen}"
        self.process = None

    def start(self):
        argv = [self.binary, "--home", self.home, "serve", "--listen", self.listen, "--admin-listen", self.admin]
        self.process = subprocess.Popen(
            argv, stdout=self.log, stderr=self.log, start_new_session=True, env=self.environment
        )
        eventually(self.answers, 30)

    def answers(self):
        """the server is ready to serve"""
        assert self.process.poll() is None, f"the server ended; see {self.log.name}"
        try:
            return httpx.get(f"{self.url}/health/readiness").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, number=signal.SIGTERM):
        """Ends the server: with SIGTERM engines go on, with SIGINT they end too."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def run(self, *arguments):
        """A command that succeeds: what it prints, and what it says of that."""
        argv = [self.binary, "--home", self.home, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=START_TIMEOUT)
        assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def cli(self, *arguments):
        """What a command prints."""
        return self.run(*arguments).stdout

    def json(self, *arguments):
        return json.loads(self.cli(*arguments, "--json"))

    def apply(self, state):
        path = self.folder / "state.yaml"
        path.write_text(yaml.safe_dump(state, sort_keys=False))
        return self.cli("apply", "-f", path, "--wait", "--timeout", f"{START_TIMEOUT}s")

    def key(self, alias, *arguments):
        """A new virtual key."""
        return self.json("key", "create", "--alias", alias, *arguments)["key"]

    def replica(self, model):
        """The one replica of a model."""
        [found] = [m for m in self.json("model", "list") if m["name"] == model]
        return found["deployments"][0]["replicas"][0]

    def engine(self, model):
        address = self.replica(model)["address"]
        return Engine(address if address.startswith("http") else f"http://{address}")

    def ready(self, model):
        """the model is ready"""
        replica = self.replica(model)
        return replica if replica["state"] == "ready" else None

    def usage(self, *arguments):
        return self.json("usage", *arguments)
