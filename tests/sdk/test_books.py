"""What the books say equals what the engines counted."""

import openai
import pytest

from engines import eventually
from house import PRICES

STORY = [{"role": "user", "content": "Tell me a story"}]


def row(house, alias, model):
    rows = [r for r in house.usage("--key", alias, "--by", "key,model")["rows"] if r["model"] == model]
    return rows[0] if rows else None


def settled(house, alias, model, requests):
    """The row of the books once that many requests are in them."""

    def there():
        """all requests are in the books"""
        found = row(house, alias, model)
        return found if found and found["requests"] >= requests else None

    return eventually(there, 10)


def test_chat(house, connect, engine):
    alias = "books-chat"
    sdk = connect(house.key(alias))
    before = engine("tiny").tokens()
    create = sdk.chat.completions.create
    create(model="tiny", temperature=0, messages=STORY)
    list(create(model="tiny", temperature=0, messages=STORY, stream=True))
    list(create(model="tiny", temperature=0, messages=STORY, stream=True, stream_options={"include_usage": True}))
    create(model="tiny", temperature=0, messages=STORY, max_tokens=7)
    list(sdk.completions.create(model="tiny", temperature=0, prompt="Once upon a time", max_tokens=9, stream=True))
    booked = settled(house, alias, "tiny", 5)
    prompt, generated = (after - then for after, then in zip(engine("tiny").tokens(), before, strict=True))
    assert (booked["requests"], booked["failed"]) == (5, 0)
    assert (booked["prompt_tokens"], booked["completion_tokens"]) == (prompt, generated)
    price = PRICES["tiny"]
    cost = (booked["prompt_tokens"] * price["input"] + booked["completion_tokens"] * price["output"]) / 1e6
    assert booked["cost"] == pytest.approx(cost, rel=1e-9)


def test_several_answers(house, connect, engine):
    """All answers are counted; the prompt once, as the engine's usage has it."""
    alias = "books-several"
    sdk = connect(house.key(alias))
    before = engine("tiny").tokens()
    answer = sdk.chat.completions.create(model="tiny", temperature=0.01, messages=STORY, n=3)
    booked = settled(house, alias, "tiny", 1)
    assert booked["completion_tokens"] == engine("tiny").tokens()[1] - before[1] == answer.usage.completion_tokens
    assert booked["prompt_tokens"] == answer.usage.prompt_tokens


def test_embeddings(house, connect, engine):
    alias = "books-embeddings"
    sdk = connect(house.key(alias))
    before = engine("tiny-embed").tokens()
    sdk.embeddings.create(model="tiny-embed", input=["one", "two", "three"])
    sdk.embeddings.create(model="tiny-embed", input="four")
    booked = settled(house, alias, "tiny-embed", 2)
    assert booked["prompt_tokens"] == engine("tiny-embed").tokens()[0] - before[0]
    assert booked["completion_tokens"] == 0


def test_a_stream_broken_off_is_paid_as_far_as_it_went(house, connect):
    alias = "books-broken-off"
    sdk = connect(house.key(alias))
    forever = [{"role": "user", "content": "Repeat forever"}]
    with sdk.chat.completions.create(model="tiny", messages=forever, max_tokens=1800, stream=True) as stream:
        seen = [next(stream) for _ in range(20)]
    booked = settled(house, alias, "tiny", 1)
    assert len(seen) - 2 <= booked["completion_tokens"] < 1800


def test_what_the_engine_refuses_costs_nothing(house, connect):
    alias = "books-refused"
    sdk = connect(house.key(alias))
    with pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model="tiny", messages=[])
    sdk.chat.completions.create(model="tiny", messages=STORY, max_tokens=1)
    booked = settled(house, alias, "tiny", 2)
    assert (booked["requests"], booked["failed"], booked["completion_tokens"]) == (2, 1, 1)
