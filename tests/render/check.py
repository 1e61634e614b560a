"""Renders from a document that uses everything, and lets the programs say what they make of it. See .ci/render."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.environ["ENGINEHOUSE"]
LITELLM = os.environ["LITELLM"]
HERE = pathlib.Path(__file__).resolve().parent
SECRET = "sk-plain-of-the-render-check"
MASTER = "sk-master-of-the-render-check"
# What LiteLLM's environment has to hold; the names are those that the rendered file asks for.
VARIABLES = {
    "OPENAI_KEY": "sk-named-0123456789",
    "OTHER_KEY": "sk-direct-0123456789",
    "MODEL_NAME": "sim",
    "ENGINEHOUSE_CREDENTIAL_SEALED_ONE": SECRET,
    "LITELLM_MASTER_KEY": "sk-litellm-0123456789",
}
PATIENCE = 180  # seconds for what has to come; machines can be slow
HELD = 60  # seconds after which a piece counts as held back: it is never waited for unless it is
done = []


def check(name):
    """Notes a check that passed."""
    done.append(name)
    print(f"  ok: {name}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(argv, log, environment=None):
    """A program in the background, gone at the end; its output stands in a file."""
    variables = {**os.environ, **(environment or {})}
    with open(log, "w") as out:
        process = subprocess.Popen([str(word) for word in argv], stdout=out, stderr=out, env=variables, start_new_session=True)
    try:
        yield process
    except BaseException:
        print(pathlib.Path(log).read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def request(port, path, body=None, key=None, headers=None):
    """Status and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"content-type": "application/json", **(headers or {}), **({"authorization": f"Bearer {key}"} if key else {})}
    connection.request("POST" if body is not None else "GET", path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def answers(port, path, process):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"it ended with {process.returncode} instead of answering {path}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if request(port, path)[0] < 500:
                return
        time.sleep(0.2)
    raise SystemExit(f"nothing answers {path} within {PATIENCE} s")


def run(argv, **options):
    """Runs a command that must succeed; what it printed."""
    finished = subprocess.run([str(word) for word in argv], capture_output=True, text=True, **options)
    if finished.returncode:
        raise SystemExit(f"{' '.join(map(str, argv))} fails:\n{finished.stdout}{finished.stderr}")
    return finished.stdout + finished.stderr


def chat(content="hi", model="org/engine", **more):
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


class Gate(http.server.ThreadingHTTPServer):
    """An endpoint that sends each piece of an answer only once the client has had the one before; or, asked for a flood, far
    more than connections hold."""

    PIECES = 5
    FLOOD = 256 << 20

    def __init__(self):
        super().__init__(("127.0.0.1", 0), GatedAnswer)
        self.seen = threading.Semaphore(0)
        self.sent = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *_):
        """Whoever goes away in the middle of a flood is meant to."""


class GatedAnswer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while b'"flood"' in body and self.server.sent < Gate.FLOOD:
            self.piece({"choices": [{"index": 0, "delta": {"content": "x" * (64 << 10)}}]})
            self.server.sent += 64 << 10
        for n in range(Gate.PIECES):
            if n > 0 and not self.server.seen.acquire(timeout=PATIENCE):
                return
            self.piece({"choices": [{"index": 0, "delta": {"content": f"piece {n}"}}]})
        usage = {"prompt_tokens": 1, "completion_tokens": Gate.PIECES, "total_tokens": 1 + Gate.PIECES}
        self.piece({"choices": [], "usage": usage})
        self.write(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def piece(self, fields):
        event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gated", **fields}
        self.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def write(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_):
        pass


def hands_over(port, gate):
    """Each piece of a stream is here before the next one is made: what held it back would wait for ever.

    Each asks for something else: what was answered before comes from the cache, at once.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HELD)
    headers = {"content-type": "application/json", "authorization": f"Bearer {MASTER}"}
    body = chat(f"hi {time.monotonic_ns()}", model="gated", stream=True)
    seen = 0
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        assert answer.status == 200, (answer.status, answer.read())
        while line := answer.readline():
            if b'"piece ' in line:
                seen += 1
                gate.seen.release()
    except TimeoutError:
        raise SystemExit(f"piece {seen} of a stream was made, and is held back") from None
    assert seen == Gate.PIECES, seen


def holds_back(port, gate):
    """A client that does not read holds the engine back: what is read ahead for it would fill memory or a disk."""
    gate.sent = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HELD)
    headers = {"content-type": "application/json", "authorization": f"Bearer {MASTER}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("flood", model="gated", stream=True)), headers)
    assert connection.getresponse().status == 200
    still, before = 0, -1
    while gate.sent < Gate.FLOOD and still < 15:
        time.sleep(0.2)
        still, before = (still + 1 if gate.sent == before else 0), gate.sent
    connection.close()
    assert 0 < gate.sent < Gate.FLOOD, f"{gate.sent >> 20} MiB were read ahead"


def edge(port, name, gate):
    """What has to hold of any proxy in front of Enginehouse."""
    hands_over(port, gate)
    check(f"{name}: each piece of a stream is handed over before the next one is made")
    holds_back(port, gate)
    check(f"{name}: a client that does not read holds the engine back")
    for path in ("/ui", "/ui/x", "/api/v1/status", "/API/v1/status", "/metrics"):
        status, _ = request(port, path, key=MASTER)
        assert status == 404, (path, status)
    check(f"{name}: /ui, /api and /metrics are not published")
    status, _ = request(port, "/models/org%2Fengine/v1/chat/completions", chat(max_tokens=1), MASTER)
    assert status == 200, status
    check(f"{name}: a name with a slash gets through")
    status, _ = request(port, "/v1/chat/completions", chat("x" * (1 << 20)), MASTER)
    # Caddy 2.6 finds out while it passes the body on, and then calls it a bad gateway if the connection broke first.
    assert status == 413 or (name, status) == ("caddy", 502), status
    check(f"{name}: a body above max_body_bytes is refused")


def validate(rendered):
    """Each file as its own program judges it."""
    run(["caddy", "validate", "--config", rendered / "Caddyfile", "--adapter", "caddyfile"])
    check("caddy validate")
    said = run(["nginx", "-t", "-c", rendered / "nginx.conf"])
    assert "test is successful" in said, said
    check("nginx -t")
    (rendered / "enginehouse.token").write_text("token")
    said = run(["promtool", "check", "config", rendered / "prometheus.yml"])
    check("promtool check config")
    environment = {**os.environ, "ENGINEHOUSE_IMAGE": "enginehouse:test"}
    for profile in ([], ["--profile", "postgres", "--profile", "valkey", "--profile", "monitoring", "--profile", "litellm"]):
        said = run(["docker-compose", *profile, "-f", rendered / "compose.yaml", "config"], env=environment, cwd=rendered)
        assert "enginehouse:test" in said, said
    check("docker-compose config, with and without profiles")


def no_secrets(rendered):
    for file in rendered.iterdir():
        text = file.read_text()
        assert SECRET not in text and "sealed:v1:" not in text, file
        assert oct(file.stat().st_mode & 0o777) == "0o600" or file.name == "enginehouse.token", file
    for line in (rendered / "litellm-config.yaml").read_text().splitlines():
        field, _, value = line.strip().lstrip("- ").partition(": ")
        assert field != "ssl", line
        if field.endswith(("_key", "password", "token", "secret")) and not field.endswith("cost_per_token"):
            assert value.strip('"').startswith("os.environ/"), line
    check("no file holds a secret, and LiteLLM's no `ssl`")


def through_litellm(rendered, folder, environment):
    port = free_port()
    argv = [LITELLM, "--config", rendered / "litellm-config.yaml", "--host", "127.0.0.1", "--port", port]
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    with running(argv, folder / "litellm.log", {**environment, **quiet}) as process:
        answers(port, "/health/liveliness", process)
        check("LiteLLM starts from its file")
        key = environment["LITELLM_MASTER_KEY"]
        _, listed = request(port, "/v1/models", key=key)
        names = {model["id"] for model in json.loads(listed)["data"]}
        assert {"org/engine", "endpoint", 'no: "quoting" # here', "rerank", "ears", "mouth", "brush", "gated"} == names, names
        check("LiteLLM knows every model that has a deployment")
        status, body = request(port, "/v1/chat/completions", chat(max_tokens=3), key)
        assert status == 200 and json.loads(body)["choices"][0]["message"]["content"], (status, body)
        check("a chat through LiteLLM reaches an engine by way of Enginehouse")
        for n in range(8):
            status, body = request(port, "/v1/chat/completions", chat(f"hi {n}", "endpoint", max_tokens=3), key)
            assert status == 200, (status, body)
        check("chats through LiteLLM reach endpoints, with and without a key")
        body = {"model": 'no: "quoting" # here', "input": "hi"}
        status, body = request(port, "/v1/embeddings", body, key)
        assert status in (200, 400, 404, 500), (status, body)


def operators_own(folder):
    """A certificate and a port for nginx, in the folder that is the operator's; the port."""
    own, port = folder / "enginehouse.d", free_port()
    own.mkdir()
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", own / "key.pem", "-out", own / "cert.pem"]
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *name, *files])
    (own / "https.conf").write_text(
        f"listen 127.0.0.1:{port} ssl;\nssl_certificate enginehouse.d/cert.pem;\nssl_certificate_key enginehouse.d/key.pem;\n"
    )
    return port


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="enginehouse-render-"))
    folder.chmod(0o755)
    home, client, admin, engine = folder / "home", free_port(), free_port(), free_port()
    environment = {**VARIABLES, "ENGINEHOUSE_MASTER_KEY": MASTER}
    cli = lambda *arguments, **options: run([PROGRAM, "--home", home, *arguments], **options)
    serve = [PROGRAM, "serve", "--home", home, "--listen", f"127.0.0.1:{client}", "--admin-listen", f"127.0.0.1:{admin}"]
    sim = [PROGRAM, "engine-sim", "--port", engine, "--model", "sim"]
    gate = Gate()
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    with running(sim, folder / "sim.log"), running(serve, folder / "serve.log", environment) as server:
        answers(client, "/health", server)
        text = (HERE / "document.yaml").read_text().format(program=PROGRAM, endpoint=f"http://127.0.0.1:{engine}/v1", gate=gate.url)
        cli("apply", "-f", "-", "--wait", "--timeout", "60s", input=text)
        # As a user gets them: what is printed is what lies in the home.
        rendered = folder / "rendered"
        rendered.mkdir()
        for target in ("litellm", "caddyfile", "nginx", "prometheus", "compose"):
            path = pathlib.Path(json.loads(cli("render", target, "--json"))["path"])
            cli("render", target, "-o", rendered / path.name)
            assert (rendered / path.name).read_bytes() == path.read_bytes(), target
        check("`render -o` writes what each apply writes")
        no_secrets(rendered)
        validate(rendered)

        port = free_port()
        site = {"ENGINEHOUSE_SITE": f"http://127.0.0.1:{port}", "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        config = (rendered / "Caddyfile").read_text()
        # Caddy's own admin port is not ours to test, and may be taken.
        (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + config)
        with running(["caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"], folder / "caddy.log", site) as caddy:
            answers(port, "/health", caddy)
            edge(port, "caddy", gate)

        port = free_port()
        config = (rendered / "nginx.conf").read_text()
        assert "listen 80 default_server;" in config
        (folder / "nginx.conf").write_text(config.replace("listen 80 default_server;", f"listen 127.0.0.1:{port} default_server;"))
        secure = operators_own(folder)
        ours = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err;"
        with running(["nginx", "-c", folder / "nginx.conf", "-g", ours], folder / "nginx.log") as nginx:
            answers(port, "/health", nginx)
            edge(port, "nginx", gate)
            trusted = ssl.create_default_context(cafile=folder / "enginehouse.d" / "cert.pem")
            connection = http.client.HTTPSConnection("localhost", secure, timeout=HELD, context=trusted)
            connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {MASTER}"})
            assert connection.getresponse().status == 200
            check("nginx: HTTPS by what the operator puts into enginehouse.d")

        direct = json.loads(cli("key", "create", "--direct", "--json"))["key"]
        through_litellm(rendered, folder, {**environment, "ENGINEHOUSE_API_KEY": direct})
    shutil.rmtree(folder, ignore_errors=True)
    print(f"render: {len(done)} passed, 0 failed in {time.monotonic() - began:.0f} s")


began = time.monotonic()
main()
