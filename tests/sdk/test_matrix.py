"""API × streamed or whole × kind of caller × fault, with a real vLLM: what clients see, what the books hold, what leaks.

All cells of a fault run at once, and the fault strikes while all of them run.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass

import httpx
import pytest

from engines import START_TIMEOUT, eventually
from house import document

MESSAGES = [{"role": "user", "content": "Repeat forever"}]
RESPONSE = {"input": "Repeat forever", "max_output_tokens": 1900}
GENERATED = [
    ("/chat/completions", {"messages": MESSAGES, "max_tokens": 1900}),
    ("/completions", {"prompt": "Repeat forever", "max_tokens": 1900, "ignore_eos": True}),
    ("/responses", RESPONSE),
]
AT_ONCE = [
    ("/tokenize", {"prompt": "hello"}),
    ("/embeddings", {"input": "hello"}),
    ("/rerank", {"query": "red", "documents": ["a red fox", "the sky"]}),
    ("/score", {"text_1": "red", "text_2": "a red fox"}),
]
POOLED = ("/embeddings", "/rerank", "/score")
CALLERS = ("master", "virtual", "direct", "open")


@dataclass
class Cell:
    """One request of the matrix, and what came of it."""

    path: str
    body: dict
    caller: str
    fault: str

    def __post_init__(self):
        self.streamed = bool(self.body.get("stream"))
        self.model = "tiny-embed" if self.path in POOLED else "tiny"
        self.id = "-".join([self.fault, self.path[1:].replace("/", "."), "s" if self.streamed else "w", self.caller])
        self.begun = threading.Event()
        self.status = self.text = None
        self.broke = False

    def run(self, house, keys, leave=None):
        """Asks, and reads the answer to its end, or until everybody is to `leave`."""
        prefix = {"direct": f"/models/{self.model}/v1", "open": f"/open/{self.model}/v1"}.get(self.caller, "/v1")
        headers = {"x-request-id": self.id}
        if self.caller != "open":
            headers["authorization"] = f"Bearer {keys[self.caller]}"
        # One that waits for a whole answer leaves by its own time-out.
        client = httpx.Client(timeout=httpx.Timeout(120, read=3 if leave and not self.streamed else 120))
        url, body = f"{house.url}{prefix}{self.path}", {"model": self.model, **self.body}
        try:
            with client, client.stream("POST", url, json=body, headers=headers) as answer:
                self.status, pieces = answer.status_code, []
                for piece in answer.iter_text():
                    pieces.append(piece)
                    self.begun.set()
                    if leave and leave.is_set():
                        break
                self.text = "".join(pieces)
        except httpx.HTTPError:
            self.broke = True
        self.begun.set()


def cells(fault, shapes):
    """Every shape, streamed too where that exists, for every kind of caller."""
    modes = [(path, mode) for path, body in shapes for mode in ([body, {**body, "stream": True}] if body in LONG else [body])]
    return [Cell(path, mode, caller, fault) for path, mode in modes for caller in CALLERS]


LONG = [body for _, body in GENERATED]


class Crowd:
    """All cells of a fault, each in a thread of its own."""

    def __init__(self, house, keys, fault, shapes, leave=None):
        self.house, self.keys, self.cells = house, keys, cells(fault, shapes)
        self.threads = [threading.Thread(target=cell.run, args=(house, keys, leave)) for cell in self.cells]
        for thread in self.threads:
            thread.start()

    def all_run(self, engine):
        """Waits until vLLM works on all of them and every stream has begun."""
        eventually(lambda: engine.running() == len(self.cells), 60)
        for cell in self.cells:
            assert not cell.streamed or cell.begun.wait(60), cell.id

    def join(self, bound=180):
        deadline = time.monotonic() + bound
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
            assert not thread.is_alive(), "a request never ended"

    def expect(self, outcomes, check):
        """Each cell is in the books once, with one of these outcomes, and passes `check`; nothing is left running."""
        for cell in self.cells:
            [event] = booked(self.house, self.keys, cell.id)
            assert event["metadata"]["outcome"] in outcomes, (cell.id, event["metadata"])
            check(cell, event)
        headers = {"authorization": f"Bearer {self.keys['master']}"}
        page = httpx.get(f"{self.house.url}/metrics", headers=headers).text
        running = [line for line in page.splitlines() if line.startswith("enginehouse_requests_in_flight{")]
        assert running and all(line.endswith(" 0") for line in running), running


def booked(house, keys, request):
    """The events of a request, once there is one."""
    headers = {"authorization": f"Bearer {keys['master']}"}

    def there():
        """the request is in the books"""
        return httpx.get(f"{house.url}/spend/logs", params={"request_id": request}, headers=headers).json()

    eventually(there, 20)
    time.sleep(0.02)
    return there()


@pytest.fixture(scope="module")
def ours(house):
    """The house with open routes to both models, and short times for engines."""
    state = document()
    for model in state["models"]:
        model["open_access"] = True
    state["routing"] = {"retries": 0, "timeouts": {"first_byte": 20, "between_bytes": 4, "total": 30}}
    house.apply(state)
    house.cli("open", "on")
    yield house
    house.cli("open", "off")
    house.apply(document())


@pytest.fixture(scope="module")
def keys(ours):
    limits = ["--rpm", "100000", "--parallel", "100", "--budget", "1000"]
    return {
        "master": (ours.home / "master.key").read_text().strip(),
        "virtual": ours.key("matrix", "--models", "tiny,tiny-embed", *limits),
        "direct": ours.key("matrix-direct", "--direct", "--models", "tiny,tiny-embed", *limits),
    }


def test_answered(ours, keys):
    """No fault: whole answers with the engine's own count."""
    short = [(path, {**body, next(name for name in body if name.startswith("max")): 5}) for path, body in GENERATED]
    LONG.extend(body for _, body in short)
    crowd = Crowd(ours, keys, "answered", [*short, *AT_ONCE])
    crowd.join()

    def check(cell, event):
        assert (cell.status, cell.broke) == (200, False), (cell.id, cell.text)
        if cell.path != "/tokenize":
            assert event["prompt_tokens"] > 0, cell.id
            assert event["metadata"]["usage_source"] == "engine", cell.id
        if cell.path in [path for path, _ in GENERATED]:
            assert 0 < event["completion_tokens"] <= 5, cell.id

    crowd.expect({"completed"}, check)


def test_what_the_engine_refuses(ours, keys):
    """vLLM's own 400 goes on to the client, and costs nothing."""
    wrong = [("/chat/completions", {"messages": []}), ("/completions", {"prompt": "x", "temperature": -1})]
    wrong += [("/embeddings", {"input": "x", "dimensions": -1})]
    crowd = Crowd(ours, keys, "refused", wrong)
    crowd.join()

    def check(cell, event):
        assert cell.status == 400, (cell.id, cell.status, cell.text)
        assert (event["spend"], event["total_tokens"]) == (0, 0), cell.id

    crowd.expect({"failed"}, check)


def test_clients_that_leave(ours, keys):
    """All at once: vLLM is idle within a second of it, and what was relayed is paid."""
    leave = threading.Event()
    crowd = Crowd(ours, keys, "left", GENERATED, leave)
    engine = ours.engine("tiny")
    crowd.all_run(engine)
    leave.set()
    crowd.join()
    left = time.monotonic()
    eventually(lambda: engine.running() == 0, 30, every=0.02)
    assert time.monotonic() - left < 1

    def check(cell, event):
        assert cell.streamed or cell.broke, cell.id
        assert not cell.streamed or 0 < event["completion_tokens"] < 1900, (cell.id, event["completion_tokens"])

    crowd.expect({"disconnected"}, check)


def test_an_engine_that_stands_still(ours, keys):
    """SIGSTOP: streams end with an error, whole answers with 504, and it goes on when the engine does."""
    group = ours.replica("tiny")["pid"]
    crowd = Crowd(ours, keys, "frozen", GENERATED)
    crowd.all_run(ours.engine("tiny"))
    os.killpg(group, signal.SIGSTOP)
    try:
        crowd.join()
    finally:
        os.killpg(group, signal.SIGCONT)

    def check(cell, event):
        if cell.streamed:
            assert "error" in cell.text[-2000:], (cell.id, cell.text[-300:])
        else:
            assert cell.status == 504, (cell.id, cell.status, cell.text)

    crowd.expect({"failed"}, check)
    eventually(lambda: ours.engine("tiny").healthy() and ours.engine("tiny").running() == 0, 60)
    again(ours, keys)


def test_an_engine_that_is_killed(ours, keys):
    """kill -9: every client is told, every request is in the books once, and the next engine serves."""
    before = ours.replica("tiny")
    crowd = Crowd(ours, keys, "killed", GENERATED)
    crowd.all_run(ours.engine("tiny"))
    os.killpg(before["pid"], signal.SIGKILL)
    crowd.join()

    def check(cell, event):
        if cell.streamed:
            assert "error" in cell.text[-2000:], (cell.id, cell.text[-300:])
            assert event["completion_tokens"] > 0, cell.id
        else:
            assert cell.status in (502, 503), (cell.id, cell.status, cell.text)
            assert event["spend"] == 0, cell.id

    crowd.expect({"failed"}, check)

    def restarted():
        """the engine is ready under another process id"""
        now = ours.ready("tiny")
        return now and now["pid"] != before["pid"]

    eventually(restarted, START_TIMEOUT, every=0.5)
    again(ours, keys)


def test_a_server_that_is_killed(ours, keys):
    """kill -9 of Enginehouse: each request is in the books once, as interrupted, with what was relayed."""
    crowd = Crowd(ours, keys, "orphaned", GENERATED)
    crowd.all_run(ours.engine("tiny"))
    # Long enough that each stream was restated.
    time.sleep(1.5)
    ours.stop(signal.SIGKILL)
    crowd.join()
    ours.start()
    eventually(lambda: ours.ready("tiny"), 60)

    def check(cell, event):
        assert cell.broke or cell.status is None or cell.streamed, cell.id
        assert not cell.streamed or event["completion_tokens"] > 0, (cell.id, event)

    crowd.expect({"interrupted"}, check)
    eventually(lambda: ours.engine("tiny").running() == 0, 30)
    again(ours, keys)


def again(house, keys):
    """All is as before."""
    headers = {"authorization": f"Bearer {keys['virtual']}"}
    body = {"model": "tiny", "prompt": "x", "max_tokens": 1}

    def served():
        """requests are served again"""
        return httpx.post(f"{house.url}/v1/completions", json=body, headers=headers, timeout=60).status_code == 200

    eventually(served, 60, every=0.2)
