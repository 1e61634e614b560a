"""A stand-in for the Hugging Face Hub: just as much of its API as two clients need to fetch one model."""

import hashlib
import http.server
import json
import threading
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves `files` (path: bytes) of one model, or of `more`; those with a large suffix as the Hub serves files in LFS."""

    def __init__(self, model, files, more=None):
        self.models = {model: files, **(more or {})}
        self.gets = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                hub.answer(self, head=True)

            def do_GET(self):
                hub.gets.append(self.path)
                hub.answer(self, head=False)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()

    def entry(self, files, path):
        content = files[path]
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "path": path, "oid": oid, "size": len(content)}
        if path.endswith(".safetensors"):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
        return entry

    def answer(self, request, head):
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.path).path)
        for model, files in self.models.items():
            api, resolve = f"/api/models/{model}", f"/{model}/resolve/"
            name = path[len(resolve) :].partition("/")[2]
            if path.startswith(f"{api}/tree/"):
                listed = [self.entry(files, name) for name in sorted(files)]
                return self.send(request, head, json.dumps(listed).encode())
            if path == api or path.startswith(f"{api}/revision/"):
                siblings = [{"rfilename": name} for name in sorted(files)]
                info = {"id": model, "sha": COMMIT, "siblings": siblings, "private": False}
                return self.send(request, head, json.dumps(info).encode())
            if path.startswith(resolve) and name in files:
                return self.file(request, head, self.entry(files, name), files[name])
        self.send(request, head, b"{}", {"X-Error-Code": "EntryNotFound"}, 404)

    def file(self, request, head, entry, content):
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{entry["oid"]}"', "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers["X-Linked-Etag"] = headers["ETag"] = f'"{entry["lfs"]["oid"]}"'
            headers["X-Linked-Size"] = str(entry["size"])
        self.send(request, head, content, headers)

    def send(self, request, head, body, headers=None, status=200):
        request.send_response(status)
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if not head:
            request.wfile.write(body)
