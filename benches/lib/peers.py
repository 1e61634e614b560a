"""What is compared: nothing in between, nginx, LiteLLM and Enginehouse, all before the same engine."""

import json
import os
import subprocess
import sys
import time

from machine import family, free_port
from programs import TARGET, answers, listens

# Bodies stay in memory, as they do in Enginehouse.
NGINX = """
{user}daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_buffer_size 17m; client_max_body_size 64m; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream engine {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering {buffering};
    }}
  }}
}}
"""

DOCUMENT = """
version: 1
models:
  - name: bench
    type: chat
    price: {{ input: 0.10, output: 0.40 }}
    deployments:
      - endpoint: {{ provider: openai-compatible, url: "http://127.0.0.1:{upstream}/v1", model: bench }}
"""

LITELLM = """
model_list:
  - model_name: bench
    litellm_params: {{ model: openai/bench, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none }}
general_settings: {{ master_key: sk-bench }}
"""


class Direct:
    """The engine itself: what of the latency is not a proxy's."""

    name = "direct"

    def __init__(self, upstream, engine):
        self.port, self.key, self.engine = upstream, "none", engine

    def pids(self):
        return [self.engine.pid]


class Nginx:
    """A plain reverse proxy with upstream keep-alive: what bare proxying costs on this machine."""

    name = "nginx"

    def __init__(self, programs, core, upstream, streams=False):
        self.port, self.key = free_port(), "none"
        config = programs.folder / "nginx.conf"
        buffering = "off" if streams else "on"
        # Workers of root's nginx are nobody, who may not use our folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        values = {"folder": programs.folder, "port": self.port, "upstream": upstream, "buffering": buffering}
        config.write_text(NGINX.format(user=user, **values))
        argv = ["nginx", "-c", config, "-p", programs.folder]
        self.process = programs.start("nginx", core, argv, listens(self.port))

    def pids(self):
        return family(self.process.pid)


class Litellm:
    """LiteLLM's proxy with a master key and nothing else, installed by pip into a folder of its own, which takes minutes."""

    name = "litellm"

    def __init__(self, programs, core, upstream):
        venv = TARGET / "bench-litellm"
        if not (venv / "bin/litellm").exists():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([venv / "bin/pip", "install", "-q", "litellm[proxy]"], check=True)
        self.port, self.key = free_port(), "sk-bench"
        config = programs.folder / "litellm.yaml"
        config.write_text(LITELLM.format(upstream=upstream))
        argv = [venv / "bin/litellm", "--config", config, "--host", "127.0.0.1", "--port", self.port]
        environment = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        ready = answers(self.port, "/health/liveliness")
        self.process = programs.start("litellm", core, argv, ready, environment, bound=120)

    def pids(self):
        return family(self.process.pid)


class Enginehouse:
    """A service on a home of its own, with one priced model and one key that is limited in every way, though never reached."""

    def __init__(self, programs, core, upstream, name="enginehouse", binary=None, limits=True):
        self.name, self.binary, self.programs, self.core = name, binary or TARGET / "enginehouse", programs, core
        self.home, self.port, self.admin = programs.folder / name, free_port(), free_port()
        self.process = self.start()
        self.apply(DOCUMENT.format(upstream=upstream))
        bounds = ["--models", "bench", "--rpm", "1000000000", "--parallel", "1000000", "--budget", "1000000"]
        created = self.cli("key", "create", "--alias", "bench", *(bounds if limits else []), "--json")
        self.key = json.loads(created)["key"]

    def start(self):
        """Starts the service on its home and waits until it is ready."""
        listen = ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin}"]
        argv = [self.binary, "--home", self.home, "--log", "warn", "serve", *listen]
        return self.programs.start(self.name, self.core, argv, answers(self.port, "/health"))

    def apply(self, document):
        path = self.programs.folder / f"{self.name}.yaml"
        path.write_text(document)
        self.cli("apply", "-f", str(path), "--wait", "--timeout", "30s")

    def cli(self, *arguments):
        argv = [self.binary, "--home", self.home, *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def pids(self):
        return [self.process.pid]

    def booked(self):
        """Requests that the books hold, and their completion tokens."""
        total = json.loads(self.cli("usage", "--json"))["total"]
        return total["requests"], total["completion_tokens"]

    def expect_booked(self, requests, bound=30):
        """Fails unless the books come to hold at least `requests`: none was fast because it was not governed."""
        deadline = time.monotonic() + bound
        while (held := self.booked()[0]) < requests:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: the books hold {held} requests; {requests} were answered.")
            time.sleep(0.5)
        print(f"{self.name}: the books hold {held} requests; {requests} were answered in full.")


def engine(programs, core, *arguments):
    """A simulated engine; its port and process."""
    port = free_port()
    argv = [TARGET / "engine-sim", "--port", port, "--model", "bench", *arguments]
    return port, programs.start("engine-sim", core, argv, answers(port, "/health"))
