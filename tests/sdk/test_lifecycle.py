"""Clients that leave, engines that die, a server that is restarted."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from engines import START_TIMEOUT, eventually

FOREVER = dict(model="tiny", messages=[{"role": "user", "content": "Repeat forever"}], max_tokens=1900, temperature=0)
HELLO = dict(model="tiny", messages=[{"role": "user", "content": "Hello"}], temperature=0)


def idle_within(engine, seconds):
    start = time.monotonic()
    eventually(lambda: engine("tiny").running() == 0, 30, every=0.02)
    assert time.monotonic() - start < seconds


def test_a_client_that_times_out(client, engine):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.7).chat.completions.create(**FOREVER)
    idle_within(engine, 1)


@pytest.mark.parametrize("after", [1, 25])
def test_a_client_that_leaves_a_stream(client, engine, after):
    with client.chat.completions.create(**FOREVER, stream=True) as stream:
        for _ in range(after):
            next(stream)
        assert engine("tiny").running() == 1
    idle_within(engine, 1)


def test_many_clients_at_once(client):
    def ask(index):
        request = dict(HELLO, stream=index % 2 == 0)
        answer = client.chat.completions.create(**request)
        if index % 2:
            return answer.choices[0].message.content
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(64))) == {"Hello! How can I help you today?"}


def alive(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


def test_a_killed_engine_is_restarted(house, client):
    """A stream that runs ends with an error; requests meanwhile fail at once; then all is as before."""
    before = house.replica("tiny")
    stream = client.chat.completions.create(**FOREVER, stream=True)
    next(stream)
    with pytest.raises(openai.APIError):
        os.kill(before["pid"], signal.SIGKILL)
        for _ in stream:
            pass
    with pytest.raises(openai.InternalServerError) as error:
        client.chat.completions.create(**HELLO)
    assert error.value.status_code in (502, 503)
    now = eventually(lambda: restarted(house, before), START_TIMEOUT, every=0.5)
    assert now["restarts"] == before["restarts"] + 1
    assert not alive(before["pid"]), "nothing of the old process group is left"
    assert client.chat.completions.create(**HELLO).choices[0].message.content.startswith("Hello!")


def restarted(house, before):
    """the engine is ready under another process id"""
    now = house.ready("tiny")
    return now if now and now["pid"] != before["pid"] else None


def test_a_restarted_server_adopts_its_engines(house, client):
    before = {model: house.replica(model) for model in ("tiny", "tiny-embed")}
    assert house.stop(signal.SIGTERM) == 0
    assert all(alive(replica["pid"]) for replica in before.values())
    house.start()
    for model, replica in before.items():
        now = eventually(lambda model=model: house.ready(model), 30)
        assert (now["pid"], now["address"]) == (replica["pid"], replica["address"])
    assert client.chat.completions.create(**HELLO).choices[0].message.content.startswith("Hello!")
    assert client.embeddings.create(model="tiny-embed", input="hello").data


def test_a_server_killed_loses_nothing(house, client):
    alias = "killed-server"
    key = house.key(alias)
    sdk = client.with_options(api_key=key)
    for _ in range(3):
        sdk.chat.completions.create(**HELLO)
    house.stop(signal.SIGKILL)
    house.start()
    eventually(lambda: house.ready("tiny"), 60)
    sdk.chat.completions.create(**HELLO)

    def booked():
        """all four requests are in the books"""
        rows = house.usage("--key", alias)["rows"]
        return rows and rows[0]["requests"] == 4 and rows[0]

    assert eventually(booked, 10)["failed"] == 0
