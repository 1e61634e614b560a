"""What all tests share: one Enginehouse with two engines, and SDK clients for it and for the engines themselves."""

import signal

import httpx
import pytest
from openai import OpenAI

from engines import START_TIMEOUT, Served, eventually
from house import House, document


def pytest_addoption(parser):
    parser.addoption("--direct-only", action="store_true", help="test what we expect of vLLM, without Enginehouse")


def pytest_terminal_summary(terminalreporter):
    count = lambda kind: len(terminalreporter.stats.get(kind, []))
    failed = count("failed") + count("error")
    terminalreporter.write_line(f"sdk: {count('passed')} passed, {failed} failed, {count('skipped')} skipped")


@pytest.fixture(scope="session")
def direct_only(request):
    return request.config.getoption("--direct-only")


@pytest.fixture(scope="session")
def served(direct_only, tmp_path_factory):
    """The engines that the tests start themselves, where there is no Enginehouse."""
    if not direct_only:
        yield None
        return
    folder = tmp_path_factory.mktemp("engines")
    engines = {}
    for model in ("tiny", "tiny-embed"):
        engines[model] = Served(model, open(folder / f"{model}.log", "ab"))
    for engine in engines.values():
        eventually(engine.healthy, START_TIMEOUT)
    yield engines
    for engine in engines.values():
        engine.stop()


@pytest.fixture(scope="session")
def house(direct_only, tmp_path_factory):
    """A running Enginehouse whose two models are ready."""
    if direct_only:
        pytest.skip("needs Enginehouse")
    house = House(tmp_path_factory.mktemp("house"))
    house.start()
    try:
        house.apply(document())
        yield house
    finally:
        if house.process.poll() is None:
            house.stop(signal.SIGINT)
        print(f"\nlogs: {house.folder}")


@pytest.fixture(scope="session")
def key(direct_only, request):
    """A key without limits."""
    return "none" if direct_only else request.getfixturevalue("house").key("tests")


@pytest.fixture(scope="session")
def gateway_url(direct_only, served, request):
    """Where clients connect, by model; with `--direct-only`, the engine itself."""
    if direct_only:
        return lambda model: served[model].url
    house = request.getfixturevalue("house")
    return lambda model: house.url


@pytest.fixture
def engine(direct_only, served, request):
    """The engine of a model, asked anew each time: it can have been restarted."""
    if direct_only:
        return lambda model: served[model]
    return request.getfixturevalue("house").engine


def sdk(url, key, **more):
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60, **more)


@pytest.fixture
def client(gateway_url, key):
    """The SDK as a user has it."""
    with sdk(gateway_url("tiny"), key) as client:
        yield client


@pytest.fixture
def direct(engine):
    """The SDK straight at the chat engine."""
    with sdk(engine("tiny").url, "none") as client:
        yield client


@pytest.fixture
def embedder(gateway_url, key):
    with sdk(gateway_url("tiny-embed"), key) as client:
        yield client


@pytest.fixture
def direct_embedder(engine):
    with sdk(engine("tiny-embed").url, "none") as client:
        yield client


@pytest.fixture
def connect(gateway_url):
    """The SDK with another key."""
    return lambda key, **more: sdk(gateway_url("tiny"), key, **more)


@pytest.fixture
def post(gateway_url, key):
    """A request without an SDK, through the gateway."""
    headers = {"authorization": f"Bearer {key}"}
    return lambda path, body, model="tiny": httpx.post(f"{gateway_url(model)}{path}", json=body, headers=headers, timeout=60)


@pytest.fixture
def post_direct(engine):
    """A request without an SDK, straight to the engine."""
    return lambda path, body, model="tiny": httpx.post(f"{engine(model).url}{path}", json=body, timeout=60)
