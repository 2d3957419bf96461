"""A small Hugging Face hub: what huggingface_hub asks to read repositories and to upload one, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

from huggingface_hub import ModelCard

COMMIT = "0123456789abcdef0123456789abcdef01234567"  # the last one
FIRST = "89abcdef0123456789abcdef0123456789abcdef"
REVISIONS = {"main": COMMIT, "v1": FIRST, "old/pets": FIRST, "refs/pr/3": FIRST, COMMIT: COMMIT, FIRST: FIRST}
ACCOUNT = "me"  # whose token it is
Repositories = dict[str, dict[str, bytes]]  # files by name, by owner/name


class Hub(BaseHTTPRequestHandler):
    """Serves the server's `repositories`, and notes in `asked` what was asked for. Every repository has the same
    REVISIONS, and the same files in each of them."""

    protocol_version = "HTTP/1.1"
    server: Any

    def answer(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def answer_json(self, data: object) -> None:
        self.answer(200, json.dumps(data).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        repositories: Repositories = self.server.repositories
        path = self.path.partition("?")[0]
        about, _, revision = path.removeprefix("/api/models/").partition("/revision/")
        commit = REVISIONS.get(unquote(revision) or "main")
        found = re.fullmatch(f"/(.+)/resolve/({COMMIT}|{FIRST})/(.+)", path)
        repository, at, name = found.groups() if found else ("", "", "")
        if path.startswith("/api/models/") and about in repositories and commit is None:
            self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
        elif path.startswith("/api/models/") and about in repositories:
            siblings: list[dict[str, Any]] = [
                {"rfilename": name, "size": len(data)} for name, data in repositories[about].items()
            ]
            if about in self.server.unsized:
                siblings = [{"rfilename": sibling["rfilename"]} for sibling in siblings]
            self.answer_json({"id": about, "sha": commit, "siblings": siblings})
        elif name in repositories.get(repository, {}):
            data = repositories[repository][name]
            self.answer(200, data, ETag=f'"{hashlib.sha256(data).hexdigest()}"', X_Repo_Commit=at)
        else:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Upload: create the repository, ask how each file is to be sent (all in the commit itself), commit."""
        self.server.asked.append(self.path)
        repositories: Repositories = self.server.repositories
        body = self.rfile.read(int(self.headers["Content-Length"]))
        repository = "/".join(self.path.split("/")[3:5])
        if self.path == "/api/repos/create":
            created = json.loads(body)
            name = f"{created.get('organization') or ACCOUNT}/{created['name']}"
            repositories.setdefault(name, {})
            self.answer_json({"url": f"http://{self.headers['Host']}/{name}", "name": name, "id": name})
        elif (
            self.path == "/api/validate-yaml"
        ):  # of the card's metadata: as the hub, it wants a licence, or a name for another
            card = ModelCard(json.loads(body)["content"]).data.to_dict()
            known = isinstance(card.get("license"), str) and (card["license"] != "other" or "license_name" in card)
            errors = [] if known else [{"message": '"license" is missing or not a text'}]
            self.answer_json({"errors": errors, "warnings": []})
        elif re.search(r"/preupload/main", self.path):
            names = [file["path"] for file in json.loads(body)["files"]]
            self.answer_json({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif re.search(r"/commit/main", self.path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    repositories[repository][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"http://{self.headers['Host']}/{repository}/commit/{COMMIT}"
            self.answer_json({"success": True, "commitUrl": url, "commitOid": COMMIT})
        else:
            self.answer(404, b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(repositories: Repositories, handler: type[Hub] = Hub) -> Iterator[Any]:
    """Run the hub on a free port of localhost."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.repositories, server.asked, server.unsized = repositories, [], set()
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def environment(server: Any, home: str) -> dict[str, str]:
    """Settings for processes that use it in place of huggingface.co, with their caches in the folder `home`."""
    return {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": f"{home}/hf",
        "XDG_CACHE_HOME": f"{home}/cache",
        "HF_HUB_DISABLE_XET": "1",
    }
