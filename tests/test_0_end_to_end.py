"""From a folder of pictures to a website, as a stranger would do it: every command for real, on real pictures.

Read this one first: it is the whole project in a page.
"""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys

import requests
from PIL import Image

from tests.conftest import EMOJI, ROOT

TINY = "--batch-size 4 --accumulate 1 --latent-dim 16 --fmap-max 16 --attention 0".split()


def generate(*arguments: object) -> str:
    """Run `python -m generate ...` and return what it printed."""
    command = [sys.executable, "-m", "generate", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_a_folder_of_pictures_to_a_website(tmp_path, cloud_url, site):
    prepared, run, samples = tmp_path / "prepared", tmp_path / "run", tmp_path / "samples"

    said = generate("prepare", EMOJI, prepared, "--size", 32)
    assert "36 pictures of 32 px" in said

    generate("train", prepared, run, "--kimg", 0.012, *TINY)  # three steps: a generator, if not a good one
    generate("sample", run, samples, "--count", 8)
    generate("publish", samples, cloud_url, "--title", "This Emoji Does Not Exist")

    drawn = {path.read_bytes() for path in samples.glob("*.jpg")}
    url = site(cloud_url)
    page = requests.get(url, timeout=60).text
    assert "This Emoji Does Not Exist" in page
    (picture,) = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    shown = base64.b64decode(picture)
    assert shown in drawn
    assert Image.open(io.BytesIO(shown)).size == (32, 32)

    permalink = re.search(r"/i/[\w-]+/emoji/\d+", page)[0]
    assert requests.get(f"{url}{permalink}.jpg", timeout=60).content == shown
