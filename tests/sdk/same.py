"""What has to be equal: all but ids and times."""

import re

ID = re.compile(rb'"id":"(chatcmpl|cmpl|embd|chatcmpl-tool|resp|msg)-[^"]*"')
CREATED = re.compile(rb'"created":\d+')
# The engine names itself where an answer ends. With usage, which Enginehouse always asks for, it does so in the usage chunk
# instead; Enginehouse moves the name back, but of several answers in one stream only the last gets it.
FINGERPRINT = re.compile(rb',"system_fingerprint":"[^"]*"')


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


def nameless(chunks):
    """The chunks without the engine's name for itself."""
    return [{name: member for name, member in chunk.items() if name != "system_fingerprint"} for chunk in chunks]


def by_choice(chunks):
    """The chunks of each answer together: whose comes first is chance."""
    return sorted(chunks, key=lambda chunk: chunk["choices"][0]["index"] if chunk["choices"] else 1_000_000)


def frames(body):
    """The events of a stream in an order that does not depend on chance."""
    return sorted(body.split(b"\n\n"))


def raw(body):
    """The bytes of a body, with ids and times blotted out."""
    return CREATED.sub(b'"created":0', ID.sub(rb'"id":"\1"', body))
