"""collect: the job as a whole, against a server with every fault a stranger's may have, and what it refuses."""

from __future__ import annotations

import gzip
import http.client
import json
import lzma
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import zipfile
from collections import Counter

import click
import pytest
from PIL import Image

from generate.collect import collect
from generate.collecting.fetching import reason_of
from generate.collecting.polite import Manners
from generate.collecting.provenance import digest, read_table
from generate.images import find_pictures, kind_of
from tests.collecting import IMPATIENT, QUICK, npm_tarball, run
from tests.conftest import EMOJI, PATIENCE_S, ROOT, files, wait_until
from tests.picture_server import picture, serve

REASONS = {  # what the server does, and what sources.csv says of it; "" where the picture is kept
    "good/a.jpg": "",
    "good/b.png": "",
    "good/c.webp": "",
    "busy/d": "",
    "otherbot/e": "",
    "redirect/f.jpg": "",
    "away/w.jpg": "",
    "date/d.jpg": "",
    "packed/gzip.jpg": "",
    "packed/deflate.jpg": "",
    "packed/identity.jpg": "",
    "elsewhere/z.jpg?/packed/gzip.moved.jpg": "",
    "packed/gzip,gzip.jpg": "compressed as 'gzip,gzip', which was not asked for",
    "packed/zstd.jpg": "compressed as 'zstd', which was not asked for",
    "more/z.jpg": "",
    "packed/torn.jpg": "damaged: gzip of the answer",
    "packed/bomb.jpg": "too large: over 200,000 bytes",
    "packed/br.jpg": "compressed as 'br', which was not asked for",
    "nolength/word.jpg": "",
    "nolength/minus.jpg": "",
    "nolength/none.jpg": "",
    "empty/e.jpg": "not a picture",
    "never/d.jpg": "HTTP Error 503: Service Unavailable",
    "small/g": "too small: 16x16, 32 px required",
    "missing/h": "HTTP Error 404: Not Found",
    "error/i": "HTTP Error 500: Internal Server Error",
    "page/j": "not a picture: text/html",
    "lie/k": "not a picture, whatever its name says",
    "broken/l": "damaged: image file is truncated",
    "short/m": "cut short: 700 of 5000 bytes",
    "huge/n": "too large: over 200,000 bytes",
    "endless/o": "too large: over 200,000 bytes",
    "silent/p": "timed out",
    "drip/q": "too slow: not whole after 3 s",
    "noai/r": "opted out: X-Robots-Tag",
    "noindex/s": "opted out: X-Robots-Tag",
    "tdm/t": "opted out: TDM-Reservation",
    "loop/0": "HTTP Error 302: The HTTP server returned a redirect error that would lead to an infinite loop.",
    "inwards/u": "private address: 127.0.0.1",
    "file/v": "HTTP Error 302: Found - Redirection to url 'file:///etc/passwd' is not allowed",
}


@pytest.fixture(scope="module")
def collected(tmp_path_factory, server):
    """A list with every fault, collected twice; the rows, the folder, and what had been asked for after the first."""
    folder = tmp_path_factory.mktemp("collected")
    urls = [f"{server.url}/{path}" for path in REASONS]
    odd = ["nonsense", "ftp://localhost/x.jpg", f"http://127.0.0.1:{server.server_port}/good/x.jpg"]
    (folder / "urls.txt").write_text("\n".join(["# a comment", *urls, "", *odd, urls[0]]) + "\n")
    rows = collect(str(folder / "urls.txt"), folder / "out", min_size=32, manners=Manners(**IMPATIENT), jobs=1)
    seen, first = Counter(server.seen), files(folder / "out")
    again = collect(str(folder / "urls.txt"), folder / "out", min_size=32, manners=Manners(**IMPATIENT), jobs=1)
    assert again == rows
    return rows, folder / "out", seen, first


@pytest.mark.parametrize("path", REASONS)
def test_every_kind_of_answer_ends_as_a_picture_or_a_reason(collected, server, path):
    rows, folder, *_ = collected

    (row,) = [row for row in rows if row.url == f"{server.url}/{path}"]

    if REASONS[path]:
        assert (row.status, row.file) == ("failed", "")
        assert row.reason.startswith(REASONS[path])
    else:
        assert (row.status, row.reason) == ("kept", "")
        assert digest((folder / row.file).read_bytes()) == row.sha256
        assert row.fetched.endswith("Z")


def test_the_suffix_is_the_real_format_and_the_bytes_are_untouched(collected, server):
    rows, folder, *_ = collected
    kept = {row.url.rpartition("/")[2]: row.file for row in rows if row.status == "kept"}

    assert kept["b.png"].endswith(".png")
    assert kept["c.webp"].endswith(".webp")
    assert (folder / kept["d"]).suffix == ".jpg"
    assert (folder / kept["b.png"]).read_bytes() == picture("PNG")


def test_what_is_no_url_or_private_is_a_reason_too(collected):
    rows, *_ = collected
    reasons = {row.url: row.reason for row in rows}

    assert reasons["nonsense"] == "not an http or https URL"
    assert reasons["ftp://localhost/x.jpg"] == "not an http or https URL"
    assert [r for url, r in reasons.items() if "127.0.0.1" in url] == ["private address: 127.0.0.1"]


def test_nothing_else_is_left_on_disk(collected):
    rows, folder, *_ = collected

    visible = {name for name in files(folder) if not name.startswith(".")}

    assert visible == {row.file for row in rows if row.file} | {"sources.csv", "collect.json"}
    assert read_table(folder / "sources.csv") == rows


def test_nothing_is_fetched_twice_and_a_rerun_changes_nothing(collected, server):
    _, folder, seen, first = collected

    assert {path: count for path, count in seen.items() if count > 1} == {"/busy/d": 2, "/date/d.jpg": 2}
    assert "/good/x.jpg" not in seen
    assert "/good/secret.jpg" not in seen
    assert sum(seen[f"/loop/{i}"] for i in range(100)) == 6
    assert files(folder) == first


def test_the_server_is_told_who_asks(collected, server):
    assert all(agent.startswith("this-stuff-does-not-exist/") for agent in server.agents)


def test_the_command_refuses_private_addresses(tmp_path, server):
    port, path = server.server_port, "good/private.jpg"
    hosts = (
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
    )
    (tmp_path / "urls.txt").write_text("".join(f"http://{host}:{port}/{path}\n" for host in hosts))

    result = run(tmp_path / "urls.txt", tmp_path / "out", "--jobs", len(hosts), "--rate", 100)

    assert result.exit_code == 1, result.output
    assert f"rejected {len(hosts)}: private address" in result.output
    assert f"None of {len(hosts)} pictures was kept" in result.output
    assert "give addresses that everybody can reach" in result.output
    assert not server.seen[f"/{path}"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=str)
def test_stopped_and_rerun_it_fetches_only_the_rest(tmp_path, server, how):
    urls = [f"{server.url}/good/stopped-{how}-{i}.jpg" for i in range(40)]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    manners = Manners(rate_per_s=8, private_hosts=("localhost",))
    code = (
        "from generate.collect import *; from pathlib import Path\n"
        f"if __name__ == '__main__': collect({str(tmp_path / 'urls.txt')!r}, Path({str(tmp_path / 'out')!r}), min_size=32, manners={manners!r}, jobs=1)"
    )
    (tmp_path / "script.py").write_text(code)
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    process = subprocess.Popen([sys.executable, tmp_path / "script.py"], cwd=tmp_path, env=environment)
    wait_until(lambda: len(list((tmp_path / "out").glob("0*.jpg"))) >= 5)
    process.send_signal(how)
    process.wait(PATIENCE_S)
    table = [row.status for row in read_table(tmp_path / "out" / "sources.csv")]
    done = {
        json.loads(line)["url"]
        for path in (tmp_path / "out").rglob("rows-*.jsonl")
        for line in path.read_text().splitlines()
        if line.endswith("}")
    }

    rows = collect(
        str(tmp_path / "urls.txt"),
        tmp_path / "out",
        min_size=32,
        manners=Manners(rate_per_s=100, private_hosts=("localhost",)),
        jobs=1,
    )

    assert 5 <= len(done) < 40
    assert table.count("kept") == (len(done) if how == signal.SIGINT else 0)
    assert [row.url for row in rows] == urls
    assert {row.status for row in rows} == {"kept"}
    for url in done:
        assert server.seen[url.removeprefix(server.url)] == 1
    assert not list((tmp_path / "out").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("source", "options", "code", "sentence"),
    [
        ("nowhere", [], 1, "nowhere does not exist: give a folder, an archive, a list of URLs, or search:TERM"),
        ("search:cake", ["--engine", "google"], 2, "'google' is not one of openverse, commons"),
        ("search:cake", ["--licence", "by,all"], 2, "'all' is not one of cc0"),
        ("search:", [], 1, "search: has no search term"),
        ("notes.txt", [], 1, "holds no http or https URLs"),
        ("list.csv", [], 1, "can't be read as a list of URLs: field larger than field limit"),
        ("empty.zip", [], 1, "holds no pictures"),
        ("damaged.tgz", [], 1, "damaged archive"),
        ("spoilt.tgz", [], 1, "damaged archive"),
        ("spoilt.tar.xz", [], 1, "damaged archive"),
        ("spoilt.tar", [], 1, "damaged archive (unreadable from byte 1,024 on)"),
        ("spoilt.txt.gz", [], 1, "can't be read as a list of URLs"),
        ("folder", [], 1, "holds no pictures"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, source, options, code, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("Dear picture,\n")
    (tmp_path / "list.csv").write_text('url\n"' + 20_000_000 * "x")
    (tmp_path / "folder").mkdir()
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    npm_tarball(tmp_path / "damaged.tgz")
    whole = (tmp_path / "damaged.tgz").read_bytes()
    (tmp_path / "damaged.tgz").write_bytes(whole[: len(whole) // 2])
    plain = gzip.decompress(whole)
    for name, packed in [
        ("spoilt.tgz", whole),
        ("spoilt.tar.xz", lzma.compress(plain)),
    ]:
        (tmp_path / name).write_bytes(packed[: len(packed) // 2] + b"\xff" * 200 + packed[len(packed) // 2 + 200 :])
    (tmp_path / "spoilt.txt.gz").write_bytes(gzip.compress(plain)[:10] + b"\xff" * 200)
    (tmp_path / "spoilt.tar").write_bytes(plain[:1024] + b"\xff" * 512 + plain[1536:])

    result = run(source, tmp_path / "out", *options)

    assert result.exit_code == code, result.output
    assert sentence in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_other_options_are_refused(tmp_path):
    run(EMOJI, tmp_path / "out")

    result = run(EMOJI, tmp_path / "out", "--limit", 3)

    assert result.exit_code == 1
    assert "was collected with limit None, not 3. To continue it: python -m generate collect" in result.output
    assert "--min-size 256. For other options choose another DEST" in result.output
    command = result.output.partition("To continue it: python -m generate collect ")[2].partition(". For other")[0]
    assert run(*shlex.split(command)).exit_code == 0


def test_nothing_kept_is_an_error_with_a_cure(tmp_path):
    result = run(EMOJI, tmp_path / "out", "--min-size", 4000)

    assert result.exit_code == 1
    assert "None of 36 pictures was kept" in result.output
    assert "allow smaller ones with --min-size" in result.output


def test_every_format_that_a_url_serves_is_kept_for_prepare_or_a_reason(tmp_path, server):
    formats = ["AVIF", "JPEG2000", "ICO", "TGA", "PPM", "TIFF", "BMP"]
    (tmp_path / "urls.txt").write_text("\n".join(f"{server.url}/format/{name}.jpg" for name in formats))

    rows = collect(str(tmp_path / "urls.txt"), tmp_path / "out", min_size=32, manners=Manners(**QUICK), jobs=1)

    by_format = {name: (row.status, row.file[-5:], row.reason) for name, row in zip(formats, rows, strict=True)}
    refused = "a format that is not read: convert it to PNG or JPEG"
    assert by_format == {
        "AVIF": ("kept", ".avif", ""),
        "JPEG2000": ("failed", "", f"JPEG 2000, {refused}"),
        "ICO": ("failed", "", f"ICO, {refused}"),
        "TGA": ("failed", "", "not a picture, whatever its name says"),
        "PPM": ("failed", "", f"Netpbm, {refused}"),
        "TIFF": ("kept", "5.tif", ""),
        "BMP": ("kept", "6.bmp", ""),
    }
    assert len(find_pictures(tmp_path / "out")) == 3


def test_what_failed_is_fetched_again_on_demand(tmp_path, server):
    (tmp_path / "urls.txt").write_text(f"{server.url}/later/x.jpg\n")
    how = {"min_size": 32, "manners": Manners(**QUICK), "jobs": 1}

    first = collect(str(tmp_path / "urls.txt"), tmp_path / "out", **how)
    server.later = True
    same = collect(str(tmp_path / "urls.txt"), tmp_path / "out", **how)
    again = collect(str(tmp_path / "urls.txt"), tmp_path / "out", **how, retry=True)

    assert [rows[0].status for rows in (first, same, again)] == ["failed", "failed", "kept"]


@pytest.mark.parametrize(("wait", "cure"), [("", "Wait an hour"), ("?wait=0", "Wait an hour"), ("?wait=7200", "again in 7,200 s). Wait that long")])  # fmt: skip
def test_a_host_that_answers_429_is_soon_left_alone_and_a_rerun_continues(tmp_path, monkeypatch, wait, cure):
    monkeypatch.setattr("generate.collecting.turns.FIRST_PAUSE_S", 0.01)
    with serve() as server:
        manners = Manners(**QUICK | {"rate_per_s": 1000, "private_hosts": ("localhost", "127.0.0.1")})
        monkeypatch.setattr("generate.collect.Manners", lambda *_, **__: manners)
        urls = [f"{server.url}/limited/{number}.jpg{wait}" for number in range(150)]
        other = f"http://127.0.0.1:{server.server_port}/good/other.jpg"
        (tmp_path / "urls.txt").write_text("\n".join([*urls, other]))

        first = run(tmp_path / "urls.txt", tmp_path / "out", "--min-size", 32)
        asked = sum(server.seen.values())
        rows = read_table(tmp_path / "out" / "sources.csv")
        server.later = True
        again = run(tmp_path / "urls.txt", tmp_path / "out", "--min-size", 32)

    assert first.exit_code == 1
    assert "6 pictures in" in first.output
    assert "0 rejected, 145 left for the next run (busy: localhost answers 429 Too Many Requests" in first.output
    assert f"{cure}, then run the same command again; --rate 0.2 asks less often." in first.output
    assert asked <= 6 + 16 * 3, "requests to a host that refuses"
    assert Counter((row.status, bool(row.file)) for row in rows) == {("kept", True): 6, ("left", False): 145}
    assert again.exit_code == 0, again.output
    assert "151 pictures in" in again.output
    assert {row.status for row in read_table(tmp_path / "out" / "sources.csv")} == {"kept"}
    assert sum(server.seen.values()) == asked + 145


def test_a_url_that_is_refused_while_others_are_not_costs_only_itself(tmp_path, monkeypatch, server):
    monkeypatch.setattr("generate.collecting.turns.FIRST_PAUSE_S", 0.01)
    paths = ["down/1.jpg", "good/4.jpg", "down/2.jpg", "toomany/1.jpg", "good/5.jpg"]
    (tmp_path / "urls.txt").write_text("\n".join(f"{server.url}/{path}" for path in paths))

    rows = collect(str(tmp_path / "urls.txt"), tmp_path / "out", min_size=32, manners=Manners(**QUICK), jobs=1)

    assert [row.status for row in rows[:3]] == ["failed", "kept", "failed"]
    assert rows[0].reason == "HTTP Error 503: Service Unavailable"
    assert rows[3].status == "left"


def test_a_host_that_is_down_for_maintenance_is_soon_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("generate.collecting.turns.FIRST_PAUSE_S", 0.01)
    with serve() as server:
        (tmp_path / "urls.txt").write_text("\n".join(f"{server.url}/down/{number}.jpg" for number in range(50)))
        runs = [collect(str(tmp_path / "urls.txt"), tmp_path / "out", manners=Manners(**QUICK), jobs=1) for _ in "12"]
        asked = sum(server.seen.values())

    counts = [Counter(row.status for row in rows) for rows in runs]
    assert counts == [{"failed": 5, "left": 45}, {"failed": 10, "left": 40}], "each run makes progress"
    assert asked == 10


def test_dest_inside_source_is_refused(tmp_path):
    shutil.copytree(EMOJI / "food", tmp_path / "in")

    result = run(tmp_path / "in", tmp_path / "in" / "out")

    assert result.exit_code == 2
    assert "choose a DEST outside" in result.output


def test_a_missing_distributor_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("generate.collecting.fetching.find_spec", lambda package: None if package == "ray" else True)
    (tmp_path / "urls.txt").write_text("https://example.org/a.jpg\n")

    result = run(tmp_path / "urls.txt", tmp_path / "out", "--distributor", "ray")

    assert result.exit_code == 1
    assert "--distributor ray needs the package ray: pip install ray, or leave the option out" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("distributor", ["ray", "pyspark"])
def test_the_other_distributors_keep_the_same_manners(tmp_path, server, distributor):
    for package in ("img2dataset", distributor):
        pytest.importorskip(package)
    paths = [f"good/{distributor}.jpg", f"noai/{distributor}", f"inwards/{distributor}", f"huge/{distributor}"]
    (tmp_path / "urls.txt").write_text("\n".join(f"{server.url}/{path}" for path in paths))

    rows = collect(
        str(tmp_path / "urls.txt"),
        tmp_path / "out",
        min_size=32,
        manners=Manners(**QUICK),
        distributor=distributor,
        jobs=2,
    )

    reasons = ["", "opted out: X-Robots-Tag", "private address: 127.0.0.1", "too large: over 200,000 bytes"]
    assert [row.reason for row in rows] == reasons


def test_pictures_are_opened_by_pillow_from_the_bytes_collected(collected):
    rows, folder, *_ = collected
    for row in rows:
        if row.file:
            with Image.open(folder / row.file) as image:
                assert image.size == (64, 64)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "no such host: Name or service not known"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "no secure connection: "),
        (TimeoutError("timed out"), "timed out"),
        (KeyError(), "KeyError"),
        (http.client.BadStatusLine("220 mail.example ESMTP\r\n"), "not HTTP: '220 mail.example ESMTP"),
        (http.client.RemoteDisconnected("closed without response"), "closed without response"),
    ],
)
def test_reasons_are_words_that_are_counted_together(error, reason):
    assert reason_of(urllib.error.URLError(error)).startswith(reason)
    assert "[" not in kind_of(reason_of(error))


def test_a_list_of_hosts_that_are_not_there_comes_with_a_cure(tmp_path):
    (tmp_path / "urls.txt").write_text("https://one.invalid/a.jpg\nhttps://two.invalid/b.jpg\n")

    result = run(tmp_path / "urls.txt", tmp_path / "out")

    assert "rejected 2: no such host" in result.output
    assert "check the addresses and the network, then try again with --retry" in " ".join(result.output.split())


def test_a_list_that_was_changed_is_read_again_and_nothing_is_lost(tmp_path, server):
    path, how = tmp_path / "urls.txt", {"min_size": 32, "manners": Manners(**QUICK), "jobs": 1}
    path.write_text(f"{server.url}/various/1.jpg\n{server.url}/missing/changed.jpg\n{server.url}/various/2.jpg\n")
    first = collect(str(path), tmp_path / "out", **how)
    path.write_text(f"{server.url}/various/3.jpg\n{server.url}/various/4.jpg\n{server.url}/various/1.jpg\n")

    rows = collect(str(path), tmp_path / "out", **how)

    assert [row.status for row in first] == ["kept", "failed", "kept"]
    assert sorted(row.url[-5] for row in rows) == ["1", "2", "3", "4"], "the one that failed and was corrected is gone"
    assert {row.status for row in rows} == {"kept"}
    assert len({row.sha256 for row in rows}) == len(find_pictures(tmp_path / "out")) == 4
    with pytest.raises(click.ClickException, match="collected with limit None, not 2"):
        collect(str(path), tmp_path / "out", limit=2, **how)


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("missing", "correct the addresses in the list, then run the same command again"),
        ("page", "give the addresses of pictures, not of the pages that show them"),
        ("reset", "try again later with --retry"),
    ],
)
def test_the_cure_is_that_of_the_commonest_reason(tmp_path, monkeypatch, server, path, cure):
    monkeypatch.setattr("generate.collect.Manners", lambda *_, **__: Manners(**QUICK))
    (tmp_path / "urls.txt").write_text("".join(f"{server.url}/{path}/{number}\n" for number in range(3)))

    result = run(tmp_path / "urls.txt", tmp_path / "out")

    assert result.exit_code == 1
    assert "None of 3 pictures was kept" in result.output
    assert cure in " ".join(result.output.split())
