"""Errors raise the SDK's own exceptions, with OpenAI's codes; the engine's errors come through as it wrote them."""

import httpx
import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]


def chat(sdk, model="tiny", **more):
    return sdk.chat.completions.create(model=model, messages=HELLO, **more)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_wrong_key(house, connect, stream):
    with pytest.raises(openai.AuthenticationError) as error:
        chat(connect("sk-wrong"), stream=stream)
    assert (error.value.status_code, error.value.code) == (401, "invalid_api_key")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_unknown_model(house, client, stream):
    with pytest.raises(openai.NotFoundError) as error:
        chat(client, model="nobody", stream=stream)
    assert (error.value.code, error.value.param) == ("model_not_found", "model")
    assert "nobody" in error.value.message


def test_model_not_allowed(house, connect):
    sdk = connect(house.key("embedding-only", "--models", "tiny-embed"))
    with pytest.raises(openai.PermissionDeniedError) as error:
        chat(sdk)
    assert error.value.code == "model_not_allowed"
    assert [model.id for model in sdk.models.list()] == ["tiny-embed"]
    assert sdk.embeddings.create(model="tiny-embed", input="hello").data


def test_wrong_type_of_model(house, client):
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, model="tiny-embed")
    assert error.value.code == "model_not_supported"


ENGINE_REFUSES = {
    "too long": dict(messages=[{"role": "user", "content": "word " * 3000}]),
    "temperature": dict(messages=HELLO, temperature=-1),
    "max_tokens": dict(messages=HELLO, max_tokens=100_000),
    "empty": dict(messages=[]),
    "stream options": dict(messages=HELLO, stream_options={"include_usage": True}),
    "schema": dict(messages=HELLO, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENGINE_REFUSES)
def test_what_the_engine_refuses(client, direct, name):
    bodies = []
    for sdk in (client, direct):
        with pytest.raises(openai.BadRequestError) as error:
            sdk.chat.completions.create(model="tiny", **ENGINE_REFUSES[name])
        bodies.append(error.value.body)
    assert bodies[0] == bodies[1]


def test_too_long_in_a_stream(client, direct):
    bodies = []
    for sdk in (client, direct):
        with pytest.raises(openai.BadRequestError) as error:
            sdk.chat.completions.create(model="tiny", stream=True, **ENGINE_REFUSES["too long"])
        bodies.append(error.value.body)
    assert bodies[0] == bodies[1]
    assert "maximum context length is 2048 tokens" in bodies[0]["message"]


def test_malformed_json(house, gateway_url, key):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    answer = httpx.post(f"{gateway_url('tiny')}/v1/chat/completions", content=b'{"model":"tiny",', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_every_answer_names_its_request(house, client):
    answer = client.chat.completions.with_raw_response.create(model="tiny", messages=HELLO)
    assert answer.headers["x-request-id"]
    own = client.chat.completions.with_raw_response.create(model="tiny", messages=HELLO, extra_headers={"x-request-id": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"
