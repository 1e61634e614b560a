"""The APIs beside completions: through the gateway as straight from vLLM."""

import openai
import pytest

import same

RERANK = {"model": "tiny-embed", "query": "what is red", "documents": ["a red fox", "the sky"]}
SCORE = {"model": "tiny-embed", "text_1": "a red fox", "text_2": ["a red fox", "the sky"]}
POOLED = [("/v1/rerank", RERANK), ("/rerank", RERANK), ("/v2/rerank", RERANK), ("/v1/score", SCORE), ("/score", SCORE)]
TOKENS = [
    ("tiny", "/tokenize", {"prompt": "Grüße 😀"}),
    ("tiny", "/tokenize", {"messages": [{"role": "user", "content": "hello"}]}),
    ("tiny", "/detokenize", {"tokens": [300, 301]}),
    ("tiny-embed", "/tokenize", {"prompt": "hello"}),
]


def whole(response):
    return same.strip(response.model_dump(exclude_unset=True, exclude={"created_at"}))


def without_ids(value):
    """Responses without ids and times, at any depth."""
    if isinstance(value, dict):
        names = ("id", "item_id", "created_at", "completed_at")
        return {name: without_ids(member) for name, member in value.items() if name not in names}
    return [without_ids(member) for member in value] if isinstance(value, list) else value


def joined(events):
    """The events without ids and numbers, and all deltas as one: how many tokens vLLM puts into each is chance."""
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    text = "".join(event["delta"] for event in deltas)
    others = [{**event, "sequence_number": None} for event in events if event not in deltas]
    return text, without_ids(others)


def test_a_response(client, direct):
    ask = lambda sdk: sdk.responses.create(model="tiny", input="Say hello.", max_output_tokens=8, temperature=0)
    through, straight = ask(client), ask(direct)
    assert through.usage.output_tokens > 0
    assert without_ids(whole(through)) == without_ids(whole(straight))


def test_a_response_in_a_stream(client, direct):
    ask = lambda sdk: [
        event.model_dump(exclude_unset=True)
        for event in sdk.responses.create(
            model="tiny", input="Say hello.", max_output_tokens=8, temperature=0, stream=True
        )
    ]
    through, straight = ask(client), ask(direct)
    assert through[0]["type"] == "response.created"
    assert joined(through) == joined(straight)
    assert [event["sequence_number"] for event in through] == list(range(len(through)))


def test_a_response_that_is_not_there(client):
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_nowhere")


@pytest.mark.parametrize(("path", "body"), POOLED)
def test_rerank_and_score(post, post_direct, path, body):
    through, straight = post(path, body, "tiny-embed"), post_direct(path, body, "tiny-embed")
    assert through.status_code == 200, through.text
    assert same.strip(through.json()) == same.strip(straight.json())


@pytest.mark.parametrize(("model", "path", "body"), TOKENS)
def test_tokens(post, post_direct, model, path, body):
    body = {"model": model, **body}
    through, straight = post(path, body, model), post_direct(path, body, model)
    assert (through.status_code, through.content) == (200, straight.content)
    unprefixed = post(f"/v1{path}", body, model)
    assert unprefixed.content == straight.content
