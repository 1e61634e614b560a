"""What `enginehouse hub pull` leaves in the cache is what the `huggingface_hub` of the engines finds there."""

import json
import os
import pathlib
import subprocess

import pytest

from engines import INSTALLED
from hub_server import COMMIT, HubServer

MODEL = "org/tiny"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "deep/notes.txt": b"notes",
    "empty.txt": b"",
    "model.safetensors": bytes(range(256)) * 1000,
    "copy.safetensors": bytes(range(256)) * 1000,
}
DOWNLOAD = "import json, sys, huggingface_hub as h; print(h.snapshot_download(**json.loads(sys.argv[1])))"


@pytest.fixture
def hub(direct_only):
    if direct_only:
        pytest.skip("needs Enginehouse")
    hub = HubServer(MODEL, FILES)
    yield hub
    hub.stop()


def environment(home, hub, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "ENGINEHOUSE_"))}
    return {**kept, "HF_HOME": str(home), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_TELEMETRY": "1", **more}


def python(home, hub, offline, **arguments):
    """The folder that `snapshot_download` of the engines' own `huggingface_hub` gives."""
    more = {"HF_HUB_OFFLINE": "1"} if offline else {"HF_HUB_DISABLE_XET": "1"}
    command = [f"{INSTALLED}/venv/bin/python", "-c", DOWNLOAD, json.dumps({"repo_id": MODEL, **arguments})]
    done = subprocess.run(command, env=environment(home, hub, **more), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip().splitlines()[-1])


def pull(home, hub, *flags):
    command = [os.environ["ENGINEHOUSE_BIN"], "--home", str(home / "none"), "hub", "pull", MODEL, "--json", *flags]
    done = subprocess.run(command, env=environment(home, hub), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tree(home):
    """The cache of the model: links with where they lead, files with what they hold. `huggingface_hub` also keeps lists of
    what there was (`trees`), without which it does as well."""
    root = home / "hub" / "models--org--tiny"
    paths = [path for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    paths = [path for path in paths if path.parent != root / "trees"]
    what = lambda path: os.readlink(path) if path.is_symlink() else path.read_bytes()
    return {str(path.relative_to(root)): what(path) for path in paths}


def test_huggingface_hub_reads_offline_what_was_pulled(hub, tmp_path):
    pulled = pull(tmp_path, hub)
    asked = len(hub.gets)
    for arguments in ({}, {"revision": "main"}, {"revision": COMMIT}, {"local_files_only": True}):
        folder = python(tmp_path, hub, offline=True, **arguments)
        assert folder == pathlib.Path(pulled["path"])
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == FILES
    assert len(hub.gets) == asked, "offline is offline"


def test_both_leave_the_same(hub, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    pull(ours, hub)
    python(theirs, hub, offline=False)
    assert tree(ours) == tree(theirs)


def test_each_takes_over_what_the_other_has(hub, tmp_path):
    python(tmp_path, hub, offline=False, allow_patterns=["*.safetensors"])
    pulled = pull(tmp_path, hub)
    assert pulled["fetched_bytes"] == sum(len(FILES[name]) for name in ("config.json", "deep/notes.txt"))
    asked = len([path for path in hub.gets if "/resolve/" in path])
    python(tmp_path, hub, offline=False)
    assert len([path for path in hub.gets if "/resolve/" in path]) == asked, "nothing is fetched twice"
