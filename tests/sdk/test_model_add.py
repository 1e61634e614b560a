"""From a name at the Hub to an answer in the SDK: `model add` with a real vLLM, fetched, started, followed, asked and removed."""

import re
import signal

import pytest
from openai import OpenAI

from engines import ENVIRONMENT, FLAGS, INSTALLED, MODELS, START_TIMEOUT, eventually
from house import House
from hub_server import HubServer

CHAT, EMBED = "org/Tiny-Chat", "org/tiny-embed"
# Beside the two engines of all tests: whatever is left of the machine will do.
SERVE = [f"{INSTALLED}/venv/bin/vllm", "serve", "{source}", "--uds", "{socket}", "--served-model-name", "{name}"]


def files(folder):
    return {path.name: path.read_bytes() for path in (MODELS / folder).iterdir()}


@pytest.fixture
def hub(direct_only):
    if direct_only:
        pytest.skip("needs Enginehouse")
    hub = HubServer(CHAT, files("tiny-chat"), {EMBED: files("tiny-embed")})
    yield hub
    hub.stop()


@pytest.fixture
def house(hub, tmp_path):
    """One of its own, with an empty cache."""
    house = House(tmp_path, {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_TELEMETRY": "1"})
    house.start()
    yield house
    house.stop(signal.SIGINT)


def add(house, source, model):
    """`model add` to its end; the states that it showed, in order, each once."""
    variables = [word for name, value in ENVIRONMENT.items() for word in ("--env", f"{name}={value}")]
    engine = ["--runtime", "process", "--start-timeout", str(START_TIMEOUT), *variables, "--", *SERVE, *FLAGS[model]]
    done = house.run("model", "add", source, *engine)
    states = re.findall(r"^\S+/0  (\w+)", done.stderr, re.MULTILINE)
    return done, list(dict.fromkeys(states))


def test_a_model_of_the_hub_is_added_and_answers(house, hub):
    done, states = add(house, CHAT, "tiny")
    assert "tiny-chat: chat, by Qwen2ForCausalLM in config.json" in done.stdout
    print("states:", states)
    assert states[0] == "downloading" and states[-1] == "ready", done.stderr
    # By vLLM's own log. A tiny model is so quick that one of these may be over before it is looked at.
    own = [state for state in states if state in ("loading_weights", "warming")]
    assert own and own == sorted(own), states
    assert [path for path in hub.gets if path.endswith("model.safetensors")], "it came from the Hub"
    replica = house.replica("tiny-chat")
    assert replica["address"].endswith(".sock"), replica

    with OpenAI(base_url=f"{house.url}/v1", api_key=house.key("app"), max_retries=0, timeout=120) as client:
        assert [model.id for model in client.models.list()] == ["tiny-chat"]
        messages = [{"role": "user", "content": "Hello"}]
        answer = client.chat.completions.create(model="tiny-chat", messages=messages, temperature=0)
        assert answer.choices[0].message.content == "Hello! How can I help you today?"

    [tested] = house.json("model", "test", "tiny-chat")
    assert tested["ok"] and tested["status"] == 200 and tested["usage"]["completion_tokens"] > 0, tested
    assert house.json("model", "url", "tiny-chat")["base_url"] == f"{house.url}/v1"
    house.run("model", "rm", "tiny-chat", "--yes")
    assert house.json("model", "list") == []


def test_an_embedding_model_too(house):
    done, _ = add(house, EMBED, "tiny-embed")
    assert "tiny-embed: embedding, by BertModel in config.json" in done.stdout
    with OpenAI(base_url=f"{house.url}/v1", api_key=house.key("app"), max_retries=0, timeout=120) as client:
        vector = client.embeddings.create(model="tiny-embed", input="hello").data[0].embedding
    [tested] = house.json("model", "test", "tiny-embed")
    assert tested["answer"] == f"{len(vector)} dimensions", tested
    # It starts again without the Hub.
    house.run("model", "restart", "tiny-embed")
    eventually(lambda: house.ready("tiny-embed") is None, 60)
    eventually(lambda: house.ready("tiny-embed"), START_TIMEOUT)
