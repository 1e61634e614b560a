"""Answers through the gateway equal those of the engine, but for ids and times."""

import json
import time

import pytest

import same

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}


def user(text):
    return {"role": "user", "content": text}


# Requests, each with something that its answer must hold: it must be an answer, not just the same twice.
CHATS = {
    "plain": (dict(messages=[user("What is the capital of France?")]), "Paris."),
    "system": (dict(messages=[{"role": "system", "content": "You are a pirate."}, user("Hello")]), "Ahoy, matey!"),
    "turns": (
        dict(messages=[user("My name is Bob."), {"role": "assistant", "content": "Nice to meet you, Bob."}, user("What is my name?")]),
        "Your name is Bob.",
    ),
    "parts": (dict(messages=[user([{"type": "text", "text": "Who wrote Hamlet?"}])]), "William Shakespeare."),
    "length": (dict(messages=[user("Count to ten")], max_tokens=5), "1, 2"),
    "completion tokens": (dict(messages=[user("Count to ten")], max_completion_tokens=5), "1, 2"),
    "stop": (dict(messages=[user("Count to ten")], stop=["5"]), "1, 2, 3, 4, "),
    "emoji": (dict(messages=[user("Send me an emoji")]), "😀🚀🎉"),
    "japanese": (dict(messages=[user("こんにちは")]), "こんにちは。今日はいい天気ですね。"),
    "umlauts": (dict(messages=[user("Sag etwas auf Deutsch")]), "Schöne Grüße"),
    "no-break space": (dict(messages=[user("Say hello in French")]), "Bonjour, ça va très bien\u00a0!"),
    "escapes": (dict(messages=[user("Show special characters")]), "\\ tab\there <b>bold</b> & ampersand '"),
    "code": (dict(messages=[user("Show a Python example")]), 'return f"Hello, {name}!"\n'),
    "long": (dict(messages=[user("Tell me a story")]), "neither of them minded. The end."),
    "json object": (dict(messages=[user("Give me a person as JSON")], response_format={"type": "json_object"}), '"Alice"'),
    "json schema": (dict(messages=[user("Give me a person as JSON")], response_format=PERSON), '{"name": "Alice", "age": 30}'),
    "several": (dict(messages=[user("Say yes")], n=2, temperature=0.01, seed=1), "Yes."),
    "reasoning": (dict(messages=[user("What is the capital of Japan?")], reasoning_effort="low"), "Tokyo."),
    "tools not used": (dict(messages=[user("What is the capital of Italy?")], tools=[WEATHER]), "Rome."),
    "tool result": (
        dict(
            messages=[
                user("What is the weather in Paris?"),
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}]},
                {"role": "tool", "tool_call_id": "c1", "content": '{"temperature": 21, "condition": "sunny"}'},
            ],
            tools=[WEATHER],
        ),
        "It is 21 degrees and sunny in Paris.",
    ),
    "extra fields": (dict(messages=[user("Say no")], user="someone", extra_body={"top_k": 1, "unheard_of": {"a": [1]}}), "No."),
}  # fmt: skip

named = {"type": "function", "function": {"name": "get_weather"}}
TOOLS = {
    "auto": (dict(tools=[WEATHER]), "tool_calls"),
    "required": (dict(tools=[WEATHER], tool_choice="required"), "tool_calls"),
    "named": (dict(tools=[WEATHER], tool_choice=named), "stop"),
}


@pytest.mark.parametrize("name", CHATS)
def test_chat(client, direct, name):
    request, expected = CHATS[name]
    ask = lambda sdk: sdk.chat.completions.create(**{"model": "tiny", "temperature": 0, **request})
    through, straight = ask(client), ask(direct)
    assert expected in through.choices[0].message.content
    assert same.answer(through) == same.answer(straight)


@pytest.mark.parametrize("usage", [False, True], ids=["without usage", "with usage"])
@pytest.mark.parametrize("name", CHATS)
def test_chat_stream(client, direct, name, usage):
    request, expected = CHATS[name]
    options = {"stream_options": {"include_usage": True}} if usage else {}
    ask = lambda sdk: sdk.chat.completions.create(**{"model": "tiny", "temperature": 0, **request, **options}, stream=True)
    through, straight = same.by_choice(same.chunks(ask(client))), same.by_choice(same.chunks(ask(direct)))
    first = lambda chunk: chunk["choices"][0]["delta"] if chunk["choices"] and chunk["choices"][0]["index"] == 0 else {}
    assert expected in "".join(first(chunk).get("content") or "" for chunk in through)
    if name == "several" and not usage:
        through, straight = same.nameless(through), same.nameless(straight)
    assert through == straight
    assert [bool(chunk.get("usage")) for chunk in through] == [False] * (len(through) - 1) + [usage]


@pytest.mark.parametrize("name", TOOLS)
def test_tools(client, direct, name):
    request, finish = TOOLS[name]
    question = [user("What is the weather in Paris?")]
    ask = lambda sdk: sdk.chat.completions.create(model="tiny", temperature=0, messages=question, **request)
    through, straight = ask(client), ask(direct)
    [call] = through.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    assert through.choices[0].finish_reason == finish
    assert same.answer(through) == same.answer(straight)


@pytest.mark.parametrize("name", TOOLS)
def test_tools_stream(client, direct, name):
    request, _ = TOOLS[name]
    question = [user("What is the weather in Paris and Rome?" if name == "auto" else "What is the weather in Paris?")]
    ask = lambda sdk: sdk.chat.completions.create(model="tiny", temperature=0, messages=question, stream=True, **request)
    through, straight = same.chunks(ask(client)), same.chunks(ask(direct))
    deltas = [delta for chunk in through for choice in chunk["choices"] for delta in choice["delta"].get("tool_calls") or []]
    assert {delta["index"] for delta in deltas} == ({0, 1} if name == "auto" else {0})
    arguments = "".join(delta["function"].get("arguments") or "" for delta in deltas if delta["index"] == 0)
    assert json.loads(arguments) == {"city": "Paris"}
    assert through == straight


def test_reasoning_is_apart_from_the_answer(client):
    answer = client.chat.completions.create(
        model="tiny", temperature=0, messages=[user("think: What is 12 times 12?")], reasoning_effort="low"
    )
    message = answer.choices[0].message.model_dump()
    assert message["reasoning"].startswith("12 times 12 is 12 times 10") and message["content"].strip() == "144."


def test_logprobs(client, direct):
    ask = lambda sdk: sdk.chat.completions.create(
        model="tiny", temperature=0, messages=[user("Say yes")], logprobs=True, top_logprobs=2
    )
    through, straight = ask(client).choices[0].logprobs.content, ask(direct).choices[0].logprobs.content
    assert [token.token for token in through] == [token.token for token in straight]
    assert [token.bytes for token in through] == [token.bytes for token in straight]
    assert [len(token.top_logprobs) for token in through] == [2] * len(through)
    assert [token.logprob for token in through] == pytest.approx([token.logprob for token in straight], abs=1e-3)


def test_continuous_usage(client, direct):
    options = {"include_usage": True, "continuous_usage_stats": True}
    ask = lambda sdk: sdk.chat.completions.create(
        model="tiny", temperature=0, messages=[user("Count to five")], stream=True, stream_options=options
    )
    through, straight = same.chunks(ask(client)), same.chunks(ask(direct))
    assert all(chunk["usage"] for chunk in through)
    assert through == straight


COMPLETIONS = {
    "plain": (dict(prompt="The capital of France is", max_tokens=3), " Paris."),
    "several prompts": (dict(prompt=["The capital of France is", "1 2 3 4"], max_tokens=3), " Paris."),
    "token numbers": (dict(prompt=[[300, 301, 302]], max_tokens=3), ""),
    "echo": (dict(prompt="1 2 3 4", max_tokens=4, echo=True), "1 2 3 4 5"),
}


@pytest.mark.parametrize("name", COMPLETIONS)
def test_completions(client, direct, name):
    request, expected = COMPLETIONS[name]
    ask = lambda sdk: sdk.completions.create(model="tiny", temperature=0, **request)
    through, straight = ask(client), ask(direct)
    assert through.choices[0].text.startswith(expected)
    assert same.answer(through) == same.answer(straight)


def test_completions_stream(client, direct):
    ask = lambda sdk: sdk.completions.create(model="tiny", temperature=0, prompt="Once upon a time", max_tokens=40, stream=True)
    through, straight = same.chunks(ask(client)), same.chunks(ask(direct))
    assert len(through) >= 40
    assert through == straight


@pytest.mark.parametrize("name", ["plain", "umlauts", "japanese", "escapes", "json schema", "several"])
@pytest.mark.parametrize("kind", ["whole", "stream", "stream with usage"])
def test_bytes(post, post_direct, name, kind):
    """What need not change is not touched: not even white space."""
    options = {"stream_options": {"include_usage": True}} if kind == "stream with usage" else {}
    request = {"model": "tiny", "temperature": 0, "stream": kind != "whole", **options, **CHATS[name][0]}
    through, straight = post("/v1/chat/completions", request), post_direct("/v1/chat/completions", request)
    assert through.status_code == straight.status_code == 200
    assert through.headers["content-type"] == straight.headers["content-type"]
    ours, theirs = same.raw(through.content), same.raw(straight.content)
    if name == "several":
        ours, theirs = (same.frames(same.FINGERPRINT.sub(b"", body)) for body in (ours, theirs))
    assert ours == theirs


def test_a_stream_comes_piece_by_piece(client):
    """The first words are there long before the last."""
    start = time.monotonic()
    stream = client.chat.completions.create(model="tiny", temperature=0, messages=[user("Tell me a story")], stream=True)
    times = [time.monotonic() - start for _ in stream]
    assert len(times) > 100
    assert times[1] < times[-1] / 2


def test_models(client):
    assert "tiny" in [model.id for model in client.models.list()]
