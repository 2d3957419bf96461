"""web/logs.py: lines as Google Cloud collects them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

from tests.conftest import ROOT
from web.logs import CloudFormatter


def test_log_lines_are_json_on_google_cloud(published):
    script = "import main, logging; main.app; logging.getLogger('x').warning('a\\nb')"
    environment = os.environ | {"CLOUD_STORAGE_BUCKET": str(published), "K_SERVICE": "site"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert entries[-1]["severity"] == "WARNING"
    assert entries[-1]["message"] == "a\nb"


def test_every_line_of_gunicorn_is_json_on_google_cloud(site, published, tmp_path):
    site(str(published), K_SERVICE="site")
    (log,) = tmp_path.glob("gunicorn-*.log")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["severity"] for line in lines} == {"INFO"}
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "web.deck"}


def test_a_log_line_names_the_request_that_it_belongs_to(client, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "emoji")
    client.get("/about", headers={"X-Cloud-Trace-Context": "105445aa7843bc8bf206b12000100000/1;o=1"})
    record = logging.LogRecord("web.deck", logging.INFO, "deck.py", 1, "Storage works again.", None, None)
    entry = json.loads(CloudFormatter().format(record))
    assert entry["logging.googleapis.com/trace"] == "projects/emoji/traces/105445aa7843bc8bf206b12000100000"
    assert (entry["severity"], entry["message"]) == ("INFO", "Storage works again.")
