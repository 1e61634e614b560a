"""Limits of keys, as the SDK meets them."""

import openai
import pytest

from engines import eventually

HELLO = [{"role": "user", "content": "Hello"}]


def chat(sdk, **more):
    return sdk.chat.completions.create(model="tiny", messages=HELLO, temperature=0, **more)


def test_requests_per_minute(house, connect):
    sdk = connect(house.key("two-a-minute", "--rpm", "2"))
    for _ in range(2):
        assert chat(sdk).choices
    with pytest.raises(openai.RateLimitError) as error:
        chat(sdk)
    assert error.value.code == "rate_limit_exceeded"
    assert 0 < int(error.value.response.headers["retry-after"]) <= 60


def test_parallel_requests(house, connect):
    sdk = connect(house.key("one-at-once", "--parallel", "1"))
    forever = [{"role": "user", "content": "Repeat forever"}]
    with sdk.chat.completions.create(model="tiny", messages=forever, max_tokens=1500, stream=True) as stream:
        next(stream)
        with pytest.raises(openai.RateLimitError) as error:
            chat(sdk)
        assert error.value.code == "rate_limit_exceeded"
    eventually(lambda: admitted(sdk), 5)


def admitted(sdk):
    """a request is admitted again"""
    try:
        return chat(sdk).choices
    except openai.RateLimitError:
        return None


def test_budget(house, connect):
    # A request costs about (8 × 1 + 10 × 2) / 1M; the reservation is far more, so each is admitted alone.
    alias = "a-few-micros"
    sdk = connect(house.key(alias, "--budget", "0.00006"))
    answers = 0
    with pytest.raises(openai.RateLimitError) as error:
        for _ in range(20):
            chat(sdk)
            answers += 1
    assert error.value.code == "insufficient_quota"
    assert 2 <= answers <= 5

    def spent():
        """the books have reached the budget"""
        spend = house.json("key", "show", alias)["spend"]
        return spend if spend >= 0.00006 else None

    assert eventually(spent, 10) < 0.00012


def test_blocked_key(house, connect):
    sdk = connect(house.key("to-be-blocked"))
    assert chat(sdk).choices
    house.cli("key", "block", "to-be-blocked")
    with pytest.raises(openai.AuthenticationError) as error:
        chat(sdk)
    assert error.value.code == "invalid_api_key"
    house.cli("key", "unblock", "to-be-blocked")
    assert chat(sdk).choices


def test_deleted_key(house, connect):
    sdk = connect(house.key("to-be-deleted"))
    assert chat(sdk).choices
    house.cli("key", "delete", "to-be-deleted")
    with pytest.raises(openai.AuthenticationError):
        chat(sdk)
