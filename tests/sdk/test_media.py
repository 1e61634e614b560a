"""Audio and images by the SDK, through the gateway: engines are simulated, as no real one runs on a small machine."""

import io
import os
import subprocess
import wave

import httpx
import pytest
from openai import OpenAI

from engines import eventually, free_port
from house import House

TYPES = {"ears": "speech-to-text", "voice": "text-to-speech", "brush": "image-generation"}


@pytest.fixture(scope="module")
def media(direct_only, tmp_path_factory):
    """SDK clients: through the gateway, and straight to the engine of a model."""
    if direct_only:
        pytest.skip("needs Enginehouse")
    ports = {name: free_port() for name in TYPES}
    engines = [
        subprocess.Popen(
            [os.environ["ENGINEHOUSE_BIN"], "engine-sim", "--type", TYPES[name], "--model", "up", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, port in ports.items()
    ]
    house = House(tmp_path_factory.mktemp("media"))
    try:
        for port in ports.values():
            eventually(lambda: healthy(port), 30)
        house.start()
        house.apply({"version": 1, "models": [model(name, port) for name, port in ports.items()]})
        sdk = lambda url, key: OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)
        key = house.key("media")
        yield sdk(house.url, key), lambda name: sdk(f"http://127.0.0.1:{ports[name]}", "none")
    finally:
        if house.process and house.process.poll() is None:
            house.stop()
        for engine in engines:
            engine.kill()
            engine.wait()


def model(name, port):
    endpoint = {"provider": "openai-compatible", "url": f"http://127.0.0.1:{port}/v1", "model": "up"}
    return {"name": name, "type": TYPES[name], "deployments": [{"endpoint": endpoint}]}


def healthy(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


def sound(seconds):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(range(256)) * (125 * seconds))
    return ("a.wav", file.getvalue(), "audio/wav")


@pytest.mark.parametrize("seconds", [1, 60])
@pytest.mark.parametrize("more", [{}, {"response_format": "text"}, {"response_format": "verbose_json"}])
def test_transcriptions(media, more, seconds):
    through, straight = media
    ask = lambda sdk, name: sdk.audio.transcriptions.create(model=name, file=sound(seconds), **more)
    assert ask(through, "ears") == ask(straight("ears"), "up")


def test_translations(media):
    through, straight = media
    ask = lambda sdk, name: sdk.audio.translations.create(model=name, file=sound(1))
    assert ask(through, "ears") == ask(straight("ears"), "up")


@pytest.mark.parametrize("more", [{"response_format": "wav"}, {"response_format": "pcm", "extra_body": {"stream": True}}])
def test_speech(media, more):
    through, straight = media
    ask = lambda sdk, name: sdk.audio.speech.create(model=name, voice="alloy", input="Grüße", **more).content
    assert ask(through, "voice") == ask(straight("voice"), "up")


def test_images(media):
    through, straight = media
    ask = lambda sdk, name: sdk.images.generate(model=name, prompt="a hen", n=2, size="256x256").data
    assert ask(through, "brush") == ask(straight("brush"), "up")
    picture = ("a.png", b"\x89PNG" + bytes(400_000), "image/png")
    edit = lambda sdk, name: sdk.images.edit(model=name, image=picture, prompt="a hen", size="256x256").data
    assert edit(through, "brush") == edit(straight("brush"), "up")
