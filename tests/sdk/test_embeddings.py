"""Embeddings through the gateway equal those of the engine."""

import openai
import pytest

import same

INPUTS = {
    "text": "hello world",
    "batch": ["hello", "world", "Grüße 😀"],
    "token numbers": [[2, 300, 301, 3]],
    "empty": "",
}


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("name", INPUTS)
def test_embeddings(embedder, direct_embedder, name, encoding):
    ask = lambda sdk: sdk.embeddings.create(model="tiny-embed", input=INPUTS[name], encoding_format=encoding)
    through, straight = same.answer(ask(embedder)), same.answer(ask(direct_embedder))
    assert through["usage"]["prompt_tokens"] > 0
    vectors = lambda answer: [item.pop("embedding") for item in answer["data"]]
    ours, theirs = vectors(through), vectors(straight)
    assert len(ours) == (len(INPUTS[name]) if isinstance(INPUTS[name], list) else 1)
    if encoding == "float":
        assert len(ours[0]) == 128
        assert [x for vector in ours for x in vector] == pytest.approx([x for vector in theirs for x in vector], abs=1e-6)
    else:
        assert isinstance(ours[0], str) and len(ours[0]) == len(theirs[0])
    assert through == straight


def test_the_default_encoding_is_the_sdks_own(embedder):
    """The SDK asks for base64 by itself and decodes it."""
    answer = embedder.embeddings.create(model="tiny-embed", input="hello")
    assert len(answer.data[0].embedding) == 128


def test_bytes(post, post_direct):
    request = {"model": "tiny-embed", "input": ["a", "b"], "encoding_format": "base64"}
    through = post("/v1/embeddings", request, "tiny-embed")
    straight = post_direct("/v1/embeddings", request, "tiny-embed")
    assert len(same.raw(through.content)) == len(same.raw(straight.content)) > 1000


def test_too_long(embedder, direct_embedder):
    messages = []
    for sdk in (embedder, direct_embedder):
        with pytest.raises(openai.BadRequestError) as error:
            sdk.embeddings.create(model="tiny-embed", input="word " * 2000)
        messages.append(error.value.body)
    assert messages[0] == messages[1]
    assert "maximum context length is 512 tokens" in messages[0]["message"]
