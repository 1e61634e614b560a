"""What has to be equal: all but ids and times."""

import re

ID = re.compile(rb'"id":"(chatcmpl|cmpl|embd|chatcmpl-tool|resp|msg)-[^"]*"')
CREATED = re.compile(rb'"created":\d+')


def answer(model):
    """An SDK object as data, without ids and times."""
    return strip(model.model_dump(exclude_unset=True))


def strip(value):
    if isinstance(value, dict):
        return {name: strip(member) for name, member in value.items() if name not in ("id", "created")}
    if isinstance(value, list):
        return [strip(member) for member in value]
    return value


def chunks(stream):
    """The chunks of an SDK stream as data, without ids and times."""
    return [answer(chunk) for chunk in stream]


def raw(body):
    """The bytes of a body, with ids and times blotted out."""
    return CREATED.sub(b'"created":0', ID.sub(rb'"id":"\1"', body))
