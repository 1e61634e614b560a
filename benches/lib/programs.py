"""Programs that run for a benchmark, and end with it."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TARGET = pathlib.Path(os.environ["TARGET"])


class Programs:
    """What runs for the benchmark, in a folder of its own. Use it in a `with`: all of it ends there."""

    def __init__(self, keep=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="enginehouse-bench-"))
        self.keep = keep
        self.running = []

    def __enter__(self):
        # Whoever ends the benchmark ends what it has started too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            self.stop(process)
        if self.keep:
            print(f"logs and home: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, core, argv, answers, environment=None, bound=30):
        """Starts a program on `core` and waits until it `answers`; its process."""
        log_path = self.folder / f"{name}.log"
        with open(log_path, "ab") as log:
            process = subprocess.Popen(
                ["taskset", "-c", core, *map(str, argv)],
                stdout=log, stderr=log, start_new_session=True, env=environment and {**os.environ, **environment},
            )
        self.running.append(process)
        deadline = time.monotonic() + bound
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start:\n{log_path.read_text()[-4000:]}")
            time.sleep(0.02)
        return process

    def stop(self, process):
        """Ends a program and whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)


def answers(port, path, headers=None):
    """A question whether `path` at `port` answers 200."""

    def ask():
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {})
            return urllib.request.urlopen(request, timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False

    return ask


def listens(port):
    """A question whether anybody listens at `port`."""
    def ask():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    return ask
