"""Models that lie elsewhere, fetched from a hub and a web server of our own."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch
import trustme
from click.testing import CliRunner

from generate.__main__ import main
from generate.model.generator import save_generator
from generate.model.networks import NetworkOptions, build_generator
from tests.conftest import ROOT
from tests.model_hub import COMMIT, FIRST, Hub, environment, serve
from tests.test_stylegan2_pytorch import write as checkpoint

REDIRECTS = {
    "/to-http": "which is not https: nothing was fetched",
    "/inside": "at the private address 127.0.0.1: nothing was fetched",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    network = NetworkOptions(32, 16, 16, attention=())
    path = tmp_path_factory.mktemp("model") / "generator.safetensors"
    save_generator(path, build_generator(network), network, {})
    return path


BOMB = gzip.compress(gzip.compress(bytes(100_000_000)))


class Web(Hub):
    """The hub, which is a web server with a model and redirections besides, and with answers that never end."""

    def send_forever(self, headers: str, chunk: bytes, pause_s: float) -> None:
        self.close_connection = True
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n".encode())
        try:
            while not self.server.stopping.wait(pause_s):
                self.wfile.write(chunk)
                self.server.sent += len(chunk)
        except OSError:  # whoever asked has had enough
            pass

    def do_GET(self) -> None:
        odd = re.search("endless|dripping|bomb|short|silent|busy", self.path)
        kind = odd.group() if odd and self.command == "GET" else ""
        if kind == "endless":
            self.send_forever("Transfer-Encoding: chunked\r\n", b"1000\r\n%s\r\n" % bytes(4096), 0.0)
        elif kind == "dripping":
            self.send_forever("Content-Length: 1000\r\n", b" ", 0.1)
        elif kind == "bomb":
            self.answer(200, BOMB, Content_Encoding="gzip, gzip", Connection="close")
        elif kind == "short":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
        elif kind == "silent":
            self.close_connection = True
            self.server.stopping.wait()
        elif kind == "busy":
            self.answer(429, b"{}", Retry_After="86400", RateLimit='"api";r=0;t=86400')
        else:
            self.do_get()

    def do_get(self) -> None:
        there = {
            "/to-http": f"http://localhost:{self.server.server_port}",
            "/inside": f"https://127.0.0.1:{self.server.server_port}",
        }
        if self.path in there:
            self.server.asked.append(self.path)
            self.answer(302, b"", Location=f"{there[self.path]}/pets.safetensors")
        elif self.path == "/pets.safetensors":
            self.server.asked.append(self.path)
            self.answer(200, self.server.repositories["me/pets"]["generator.safetensors"])
        else:
            super().do_GET()

    do_HEAD = do_GET


ODD = ("endless", "dripping", "bomb", "short", "busy")


@pytest.fixture(scope="module")
def hub(model) -> Iterator[Any]:
    """A hub with `me/pets`, the model and a script that nobody may fetch, and with odd ones."""
    files = {"generator.safetensors": model.read_bytes(), "config.json": b"{}", "setup.py": b"open('ran', 'w')"}
    files["discriminator.safetensors"] = b"not needed to draw"
    flowers = checkpoint(model.parent / "flowers")
    repositories = {
        "me/flowers": {f"models/x/{path.name}": path.read_bytes() for path in flowers.parent.iterdir()},
        "me/pets": files,
        "me/nested": {"cats/generator.safetensors": model.read_bytes()},
        "me/several": {"model_1.pt": b"1", "model_2.pt": b"2"},
        "me/unsized": {"generator.safetensors": model.read_bytes()},
        "me/odd": {f"{kind}.safetensors": bytes(1000) for kind in ODD},
    }
    with serve(repositories, Web) as server:
        server.unsized, server.stopping, server.sent = {"me/unsized"}, Event(), 0
        yield server
        server.stopping.set()


@pytest.fixture
def python(tmp_path, hub):
    """python(*arguments, **settings) in a process of its own, since the hub's address is read at import."""

    def python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | environment(hub, str(tmp_path)) | {"PYTHONPATH": str(ROOT)} | settings,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return python


@pytest.fixture
def run(python):
    """run(*command, **settings) runs one of our commands."""
    return lambda *command, **settings: python("-m", "generate", *command, "--device", "cpu", **settings)


@pytest.fixture
def sample(run):
    """sample(name, **environment) draws two pictures into `samples`."""
    return lambda name, **environment: run("sample", name, "samples", "--count", "2", **environment)


def test_a_model_of_the_hub_is_fetched_with_its_revision_and_checksums(sample, hub, model, tmp_path):
    result = sample("hf:me/pets")

    assert result.returncode == 0, result.stderr
    source = json.loads((tmp_path / "samples" / "samples.json").read_text())["source"]
    assert (source["from"], source["revision"]) == ("hf:me/pets", COMMIT)
    assert source["sha256"]["generator.safetensors"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert not [path for path in hub.asked if "setup.py" in path or "discriminator" in path]
    assert len(list((tmp_path / "samples").glob("*.jpg"))) == 2


def test_what_was_fetched_once_needs_no_hub(sample, tmp_path):
    for name in ("hf:me/pets", "hf:me/nested/cats/generator.safetensors"):
        first = sample(name)
        (tmp_path / "samples").rename(tmp_path / "first")
        again = sample(name, HF_ENDPOINT="http://127.0.0.1:9")

        assert (first.returncode, again.returncode) == (0, 0), again.stderr
        assert f"the hub does not answer, so the cached copy in {tmp_path}" in again.stdout
        assert COMMIT[:12] in again.stdout
        for picture in (tmp_path / "first").glob("*.jpg"):
            assert (tmp_path / "samples" / picture.name).read_bytes() == picture.read_bytes()
        for folder in ("first", "samples"):
            shutil.rmtree(tmp_path / folder)


@pytest.mark.slow
def test_a_repository_and_one_file_of_it_are_both_kept(sample, tmp_path):
    names = ("hf:me/pets", "hf:me/pets/generator.safetensors")
    for settings in ({}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        for name in names:
            result = sample(name, **settings)
            assert result.returncode == 0, result.stderr
            source = json.loads((tmp_path / "samples" / "samples.json").read_text())["source"]
            assert (source["from"], source["revision"]) == (name, COMMIT)
            shutil.rmtree(tmp_path / "samples")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["explore", "hf:me/pets", "explored", "--seconds", "1"],
        ["refill", "hf:me/pets", "bucket", "--count", "4", "--no-curate", "--title", "This Pet Does Not Exist"],
        ["evaluate", "hf:me/pets", "prepared", "--count", "8"],
    ],
    ids=lambda command: command[0],
)
def test_other_commands_take_the_name_too(run, tmp_path, tiny_run, command):
    (tmp_path / "bucket").mkdir()
    shutil.copytree(tiny_run.parent / "prepared", tmp_path / "prepared")

    result = run(*command)

    assert result.returncode == 0, result.stderr


def test_one_file_of_it_can_be_named(sample, tmp_path):
    assert sample("hf:me/pets/generator.safetensors").returncode == 0
    missing = sample("hf:me/pets/other.pkl")
    assert missing.returncode == 1
    assert (
        "has no other.pkl: it has config.json, discriminator.safetensors, generator.safetensors, setup.py"
        in missing.stderr
    )


def source(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "samples" / "samples.json").read_text())["source"]
    return found


@pytest.mark.parametrize(
    ("name", "commit"),
    [("hf:me/pets@old%2Fpets", FIRST), ("hf:me/pets@refs/pr/3/generator.safetensors", FIRST)],
)
def test_a_revision_can_be_named(sample, hub, tmp_path, name, commit):
    before = len(hub.asked)
    result = sample(name)

    assert result.returncode == 0, result.stderr
    assert all(f"/resolve/{commit}/" in path for path in hub.asked[before:] if "/resolve/" in path)
    assert (source(tmp_path)["from"], source(tmp_path)["revision"]) == (name, commit)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hf:me/pets@", "hf:me/pets@ has the revision '', which is not a branch, tag or commit: write one after the @"),
        ("hf:me/pets@/generator.safetensors", "has the revision ''"),
        ("hf:me/pets@..", "has the revision '..'"),
        ("hf:me/pets@..%2F..%2Fdogs", "has the revision '../../dogs'"),
        ("hf:me/pets@v1..v2", "has the revision 'v1..v2'"),
        ("hf:me/pets@v 1", "has the revision 'v 1'"),
        ("hf:me/pets@-v1", "has the revision '-v1'"),
        ("hf:me/pets@v1@v2", "has the revision 'v1@v2'"),
        ("hf:me/pets@v1\n", "has the revision 'v1\\n'"),
        ("hf:me/@v1", "hf:me/@v1 is not the name of a model: write hf:owner/name, hf:owner/name@revision,"),
        ("hf:me@v1/pets", "is not the name of a model"),
    ],
)
def test_an_odd_revision_is_one_sentence(tmp_path, monkeypatch, name, sentence):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["sample", name, "samples", "--count", "1"])

    assert result.exit_code == 1
    assert result.output.startswith("Error: hf:me")
    assert sentence in result.output


def test_an_unknown_revision_is_one_sentence(sample):
    result = sample("hf:me/pets@v9")

    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert line == "Error: hf:me/pets has no branch, tag or commit 'v9': its page on the hub lists them under Files."


@pytest.mark.slow
def test_offline_a_name_is_what_it_was_last(sample, tmp_path):
    def drawn_from(name: str, **environment: str) -> tuple[object, object]:
        shutil.rmtree(tmp_path / "samples", ignore_errors=True)
        result = sample(name, **environment)
        assert result.returncode == 0, result.stderr
        return source(tmp_path)["from"], source(tmp_path)["revision"]

    offline = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    for name in ("hf:me/pets", "hf:me/pets@v1"):
        drawn_from(name)

    assert drawn_from("hf:me/pets@v1", **offline) == ("hf:me/pets@v1", FIRST)
    assert drawn_from("hf:me/pets", **offline) == ("hf:me/pets", COMMIT)
    assert drawn_from(f"hf:me/pets@{FIRST}", **offline) == (f"hf:me/pets@{FIRST}", FIRST)  # never fetched by that name
    missing = sample("hf:me/pets@v2", **offline)
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith("Error: hf:me/pets@v2 can't be fetched (")


def test_the_hidden_configuration_beside_a_checkpoint_comes_along(sample, tmp_path):
    result = sample("hf:me/flowers/models/x/model_7.pt")

    assert result.returncode == 0, result.stderr
    assert list(source(tmp_path)["sha256"]) == ["models/x/.config.json", "models/x/model_7.pt"]


def test_a_file_in_a_folder_of_it_is_recorded_too(sample, tmp_path):
    assert sample("hf:me/nested/cats/generator.safetensors").returncode == 0

    source = json.loads((tmp_path / "samples" / "samples.json").read_text())["source"]
    assert (source["from"], source["revision"]) == ("hf:me/nested/cats/generator.safetensors", COMMIT)
    assert list(source["sha256"]) == ["cats/generator.safetensors"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hf:me/several", "hf:me/several has 2 models: name one, as in hf:me/several/model_1.pt."),
        ("hf:me/unsized", "hf:me/unsized does not say how large generator.safetensors is"),
    ],
)
def test_what_is_several_or_of_unknown_size_is_not_fetched(sample, hub, name, sentence):
    before = len(hub.asked)
    result = sample(name)

    assert result.returncode == 1
    assert f"Error: {sentence}" in result.stderr
    assert not [path for path in hub.asked[before:] if "/resolve/" in path]


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("hf:me/pets", {"HF_ENDPOINT": "http://127.0.0.1:9"}),
        ("hf:me/pets", {"HF_HUB_OFFLINE": "1"}),
        ("hf:me/dogs", {}),
        ("hf:me", {}),
        ("https://127.0.0.1:9/pets.safetensors", {}),
    ],
)
def test_what_can_not_be_fetched_is_one_sentence(sample, tmp_path, name, environment):
    result = sample(name, **environment)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: {name} ")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "samples").exists()


LIMITED = """
import sys, time
import gallery.bounded
import generate.model.redirects as redirects

gallery.bounded.MAX_TIMEOUTS, redirects.TIMEOUT_S, redirects.LARGEST = float(sys.argv.pop(1)), float(sys.argv.pop(1)), 1_000_000
pause, time.sleep = time.sleep, lambda seconds: print("pause", seconds, file=sys.stderr) if seconds >= 1 else pause(seconds)
from generate.__main__ import main
main(prog_name="python -m generate")
"""


@pytest.fixture
def fetch(python):
    """fetch(name, timeouts, timeout_s, **settings): `sample` with limits of a test: 1 MB, so many timeouts of so many seconds."""

    def fetch(
        name: str, timeouts: float = 10, timeout_s: float = 30, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        command = ("sample", name, "samples", "--count", "2")
        return python("-c", LIMITED, str(timeouts), str(timeout_s), *command, **settings)

    return fetch


def nothing_came(result: subprocess.CompletedProcess[str], name: str, reason: str, home: Path) -> None:
    """The command ended with one sentence, and left no part of a file."""
    assert result.returncode == 1, result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"Error: {name} ")
    assert reason in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not [path for path in home.rglob("*") if path.suffix in (".safetensors", ".incomplete", ".json")]


@pytest.mark.parametrize(
    ("name", "limits", "reason"),
    [
        ("hf:me/odd/endless.safetensors", {}, "more came than the expected 1,000 bytes"),
        ("hf:me/odd/dripping.safetensors", {"timeouts": 0.03}, "too slow: less than 10,000 bytes a second"),
        ("hf:me/odd/bomb.safetensors", {}, "compressed as 'gzip, gzip', which was not asked for"),
        ("hf:me/odd/short.safetensors", {}, "(peer closed connection without sending complete message body"),
        ("hf:me/odd/busy.safetensors", {}, "(429 Too Many Requests"),
        ("hf:me/endless", {}, "more came than the expected 32,000,000 bytes"),
        ("hf:me/dripping", {"timeouts": 0.03}, "too slow: less than 10,000 bytes a second"),
        ("hf:me/bomb", {}, "compressed as 'gzip, gzip', which was not asked for"),
        ("hf:me/silent", {"timeout_s": 1}, "timed out"),
    ],
)
def test_an_answer_of_the_hub_without_end_ends(fetch, hub, tmp_path, name, limits, reason):
    before = hub.sent

    result = fetch(name, **limits)

    nothing_came(result, name, reason, tmp_path / "cache")
    assert hub.sent - before < 100_000_000
    assert all(float(pause) <= 10 for pause in re.findall("^pause (.*)$", result.stderr, re.MULTILINE))


@pytest.fixture
def secure(hub, tmp_path) -> Iterator[Any]:
    """The same server over TLS, with its address in `url`, and the settings to trust it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), hub.RequestHandlerClass)
    server.asked, server.repositories, server.stopping, server.sent = [], hub.repositories, Event(), 0
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url, server.trust = (
        f"https://localhost:{server.server_port}",
        {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")},
    )
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.stopping.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "limits", "reason"),
    [
        ("endless", {}, "over the limit of"),
        ("dripping", {"timeouts": 0.03}, "timed out"),
        ("bomb", {}, "over the limit of"),
        ("short", {}, "5 bytes read, 995 more expected"),
        ("silent", {"timeout_s": 1}, "timed out"),
        ("busy", {}, "429 Client Error: Too Many Requests"),
    ],
)
def test_an_answer_of_the_web_without_end_ends(fetch, secure, tmp_path, kind, limits, reason):
    name = f"{secure.url}/{kind}.safetensors"

    result = fetch(name, **limits, **secure.trust)

    nothing_came(result, name, reason, tmp_path / "cache")
    assert secure.sent < 100_000_000


def test_an_address_over_tls_is_a_model(sample, secure, model, tmp_path):
    url = f"{secure.url}/pets.safetensors"
    result = sample(url, **secure.trust)
    asked = len(secure.asked)
    redirected = {path: sample(secure.url + path, **secure.trust) for path in REDIRECTS}
    elsewhere = secure.asked[asked:]
    untrusted = sample(url, REQUESTS_CA_BUNDLE="", XDG_CACHE_HOME=str(tmp_path / "other"))

    for path, reason in REDIRECTS.items():
        assert redirected[path].returncode == 1
        assert reason in redirected[path].stderr
    assert elsewhere == list(REDIRECTS)  # nothing else was asked for
    assert result.returncode == 0, result.stderr
    source = json.loads((tmp_path / "samples" / "samples.json").read_text())["source"]
    assert source == {"from": url, "sha256": {"pets.safetensors": hashlib.sha256(model.read_bytes()).hexdigest()}}
    assert untrusted.returncode == 1
    assert "Traceback" not in untrusted.stderr
