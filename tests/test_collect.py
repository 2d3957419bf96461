"""collect: from folders, archives, lists and searches, against a server with every fault a stranger's may have."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from importlib.util import find_spec
from itertools import islice

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from generate.__main__ import main
from generate.collect import collect
from generate.listing import read_list, reservoir
from generate.polite import Manners, Refused, build_opener, check_public
from generate.provenance import digest, read_table
from generate.searching import licence_code, search
from tests.conftest import EMOJI, ROOT, wait_until
from tests.picture_server import picture, serve

QUICK = {"rate_per_s": 100, "timeout_s": 2, "total_s": 3, "max_bytes": 200_000, "private_hosts": ("localhost",)}

REASONS = {  # what the server does, and what sources.csv says of it; "" where the picture is kept
    "good/a.jpg": "",
    "good/b.png": "",
    "good/c.webp": "",
    "busy/d": "",
    "otherbot/e": "",
    "redirect/f.jpg": "",
    "away/w.jpg": "",
    "small/g": "too small: 16x16, 32 px asked for",
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
    "inwards/u": "private address 127.0.0.1: refused",
    "file/v": "HTTP Error 302: Found - Redirection to url 'file:///etc/passwd' is not allowed",
}


def run(*arguments: object):
    return CliRunner().invoke(main, ["collect", *map(str, arguments)])


def files(folder) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def server():
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def collected(tmp_path_factory, server):
    """A list with every fault, collected twice; the rows, the folder, and what had been asked for after the first."""
    folder = tmp_path_factory.mktemp("collected")
    urls = [f"{server.url}/{path}" for path in REASONS]
    odd = ["nonsense", "ftp://localhost/x.jpg", f"http://127.0.0.1:{server.server_port}/good/x.jpg"]
    (folder / "urls.txt").write_text("\n".join(["# a comment", *urls, "", *odd, urls[0]]) + "\n")
    rows = collect(str(folder / "urls.txt"), folder / "out", min_size=32, manners=Manners(**QUICK), jobs=1)
    seen, first = Counter(server.seen), files(folder / "out")
    again = collect(str(folder / "urls.txt"), folder / "out", min_size=32, manners=Manners(**QUICK), jobs=1)
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
    assert [r for url, r in reasons.items() if "127.0.0.1" in url] == ["private address 127.0.0.1: refused"]


def test_nothing_else_is_left_on_disk(collected):
    rows, folder, *_ = collected

    visible = {name for name in files(folder) if not name.startswith(".")}

    assert visible == {row.file for row in rows if row.file} | {"sources.csv", "collect.json"}
    assert read_table(folder / "sources.csv") == rows


def test_nothing_is_fetched_twice_and_a_rerun_changes_nothing(collected, server):
    _, folder, seen, first = collected

    assert {path: count for path, count in seen.items() if count > 1} == {"/busy/d": 2}
    assert "/good/x.jpg" not in seen
    assert "/good/secret.jpg" not in seen
    assert sum(seen[f"/loop/{i}"] for i in range(100)) == 6
    assert files(folder) == first


def test_the_server_is_told_who_asks(collected, server):
    assert all(agent.startswith("this-stuff-does-not-exist/") for agent in server.agents)


def test_the_command_refuses_private_addresses(tmp_path, server):
    (tmp_path / "urls.txt").write_text(f"{server.url}/good/private.jpg\n")

    result = run(tmp_path / "urls.txt", tmp_path / "out", "--jobs", 1)

    assert result.exit_code == 0, result.output
    assert "left out 1: private address" in result.output
    assert "0 pictures in" in result.output
    assert not server.seen["/good/private.jpg"]


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
    wait_until(lambda: len(list((tmp_path / "out").glob("0*.jpg"))) >= 5, seconds=120)
    process.send_signal(how)
    process.wait(20)
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


def test_a_folder_keeps_its_categories_and_the_original(tmp_path):
    shutil.copytree(EMOJI, tmp_path / "in")
    (tmp_path / "in" / "food" / "letter.jpg").write_text("Dear picture,")
    (tmp_path / "in" / ".hidden.png").write_bytes(picture("PNG"))
    before = files(tmp_path / "in")

    result = run(tmp_path / "in", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert "36 pictures in" in result.output
    assert "left out 1: not a picture, whatever its name says" in result.output
    rows = {row.url: row for row in read_table(tmp_path / "out" / "sources.csv")}
    assert rows["in/food/pineapple.webp"].category == "food"
    assert (tmp_path / "out" / "food" / "pineapple.webp").read_bytes() == before["food/pineapple.webp"]
    assert files(tmp_path / "in") == before


def test_a_folder_collected_again_is_the_same_and_what_is_missing_comes_back(tmp_path):
    run(EMOJI, tmp_path / "out")
    old = (tmp_path / "out" / "sources.csv").read_text().replace("Z,", "-earlier,")
    (tmp_path / "out" / "sources.csv").write_text(old)
    (tmp_path / "out" / "food" / "pineapple.webp").unlink()

    result = run(EMOJI, tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "food" / "pineapple.webp").exists()
    rows = read_table(tmp_path / "out" / "sources.csv")
    assert [row.url for row in rows if not row.fetched.endswith("-earlier")] == ["emoji/food/pineapple.webp"]


def npm_tarball(path, **package: object) -> None:
    members = {"package/package.json": json.dumps({"name": "emoji", "version": "1.0.0"} | package).encode()}
    members |= {f"package/assets/{p.relative_to(EMOJI)}": p.read_bytes() for p in sorted(EMOJI.rglob("*.webp"))}
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_an_npm_tarball_says_its_licence_and_its_inner_folders_are_categories(tmp_path):
    npm_tarball(tmp_path / "emoji.tgz", license="MIT", author={"name": "Ann"}, homepage="https://example.org")

    rows = collect(str(tmp_path / "emoji.tgz"), tmp_path / "out")

    assert Counter(row.category for row in rows) == {"animals": 12, "faces": 12, "food": 12}
    assert {(row.licence, row.author, row.page) for row in rows} == {("MIT", "Ann", "https://example.org")}
    assert (tmp_path / "out" / "food" / "pineapple.webp").exists()


def test_a_package_json_that_is_no_package_is_passed_over(tmp_path):
    with tarfile.open(tmp_path / "emoji.tgz", "w:gz") as archive:
        for name, data in [("package/package.json", b"[]"), ("package/a.png", picture("PNG"))]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

    (row,) = collect(str(tmp_path / "emoji.tgz"), tmp_path / "out", min_size=32)

    assert (row.file, row.licence) == ("a.png", "")


def test_names_that_are_not_utf8_become_so(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / os.fsdecode(b"caf\xe9.png")).write_bytes(picture("PNG"))

    result = run(tmp_path / "in", tmp_path / "out", "--min-size", 32)

    assert result.exit_code == 0, result.output
    (row,) = read_table(tmp_path / "out" / "sources.csv")
    assert (row.file, row.url) == ("caf%E9.png", "in/caf%E9.png")
    assert (tmp_path / "out" / row.file).exists()


@pytest.mark.parametrize("where", ["deflated", "header"])
def test_a_damaged_member_of_a_zip_is_a_reason(tmp_path, where):
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.bmp", "b.bmp"):
            archive.writestr(name, picture("BMP"))
    data = bytearray((tmp_path / "in.zip").read_bytes())
    start = data.index(b"a.bmp") + (5 if where == "deflated" else -30)
    data[start : start + 4] = b"\xff" * 4
    (tmp_path / "in.zip").write_bytes(data)

    rows = collect(str(tmp_path / "in.zip"), tmp_path / "out", min_size=32)

    assert [row.status for row in rows] == ["failed", "kept"]


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.xz", "tgz"])
def test_archives_are_told_by_their_content(tmp_path, suffix):
    kind = {"zip": "zip", "tar": "tar", "tar.xz": "xztar", "tgz": "gztar"}[suffix]
    made = shutil.make_archive(str(tmp_path / "made"), kind, EMOJI)
    shutil.move(made, tmp_path / "pictures.bin")

    rows = collect(str(tmp_path / "pictures.bin"), tmp_path / "out")

    assert [row.status for row in rows] == ["kept"] * 36
    assert (tmp_path / "out" / "faces" / "nerd_face.webp").exists()


def test_an_archive_writes_nowhere_but_into_dest(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        for name in ("../evil.png", "/tmp/evil-absolute.png", "a/../../evil.png", "good/fine.png"):
            archive.writestr(name, picture("PNG"))
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        info = tarfile.TarInfo("fine.png")
        info.size = len(picture("PNG"))
        archive.addfile(info, io.BytesIO(picture("PNG")))

    from_zip = collect(str(tmp_path / "bad.zip"), tmp_path / "deep" / "zip", min_size=32)
    from_tar = collect(str(tmp_path / "bad.tar"), tmp_path / "deep" / "tar", min_size=32)

    assert [row.file for row in (*from_zip, *from_tar)] == ["fine.png", "fine.png"]
    assert not list(tmp_path.rglob("*evil*"))


def test_a_limit_of_a_folder_is_a_seeded_random_subset(tmp_path):
    first = collect(str(EMOJI), tmp_path / "a", limit=9)
    same = collect(str(EMOJI), tmp_path / "b", limit=9)
    other = collect(str(EMOJI), tmp_path / "c", limit=9, seed=1)

    assert len(first) == 9
    assert [row.file for row in first] == [row.file for row in same]
    assert [row.file for row in first] != [row.file for row in other]


def test_reservoir_is_uniform_and_reads_once():
    counts = Counter(number for seed in range(2000) for number in reservoir(iter(range(10)), 3, seed))

    assert set(counts) == set(range(10))
    assert all(520 < count < 680 for count in counts.values())  # 600 expected, standard deviation 20
    assert reservoir(range(2), 3, 0) == [0, 1]
    assert list(reservoir(islice(iter(int, 1), 100_000), 2, 0)) == [0, 0]


def test_imagenet_lists_give_categories(tmp_path):
    lines = ["n07753592_17\thttp://example.org/banana.jpg", "n07753275_2 http://example.org/pineapple.jpg"]
    (tmp_path / "urls.txt").write_text("\n".join([*lines, "cakes http://example.org/cake.jpg?a b", lines[0]]))

    rows = read_list(tmp_path / "urls.txt", None, 0)

    assert [(row.category, row.url) for row in rows] == [
        ("n07753592", "http://example.org/banana.jpg"),
        ("n07753275", "http://example.org/pineapple.jpg"),
        ("cakes", "http://example.org/cake.jpg?a b"),
    ]


def test_csv_lists_keep_what_they_know(tmp_path):
    text = '\ufeffid,URL,creator,license\n1,https://example.org/1.jpg,"Smith, Ann",CC0\n2,nonsense,,\n'
    with gzip.open(tmp_path / "list.csv.gz", "wt", encoding="utf-8") as file:
        file.write(text)

    good, bad = read_list(tmp_path / "list.csv.gz", None, 0)

    assert (good.url, good.author, good.licence) == ("https://example.org/1.jpg", "Smith, Ann", "CC0")
    assert (bad.status, bad.reason) == ("failed", "not an http or https URL")


def test_csv_lists_without_a_header_are_searched_for_the_url(tmp_path):
    (tmp_path / "list.csv").write_text('17,"a, b",https://example.org/1.jpg,x\n18,c,http://example.org/2.jpg,y\n')

    rows = read_list(tmp_path / "list.csv", None, 0)

    assert [row.url for row in rows] == ["https://example.org/1.jpg", "http://example.org/2.jpg"]


def test_categories_of_a_list_are_folders_whatever_they_are_called(tmp_path, server):
    names = ["..", "../../evil", "/etc", ".hidden", "é" * 200, "cakes & pies"]
    lines = [f"{server.url}/good/{number}.jpg,{name}" for number, name in enumerate(names)]
    (tmp_path / "list.csv").write_text("\n".join(["url,category", *lines]))

    rows = collect(str(tmp_path / "list.csv"), tmp_path / "out", min_size=32, manners=Manners(**QUICK), jobs=1)

    folders = ["", "evil/", "etc/", "hidden/", "é" * 100 + "/", "cakes & pies/"]
    assert [row.file for row in rows] == [f"{folder}{number:06}.jpg" for number, folder in enumerate(folders)]
    assert all((tmp_path / "out" / row.file).exists() for row in rows)


def test_search_asks_both_engines_and_keeps_the_licence(server):
    server.queries.clear()

    rows = search(["pineapple"], 10, 256, manners=Manners("ann@example.org", 100), openverse_url=f"{server.url}/openverse/", commons_url=f"{server.url}/commons/")  # fmt: skip

    assert [(row.author, row.licence) for row in rows] == [
        ("Tim Sullivan", "cc0 1.0 https://creativecommons.org/publicdomain/zero/1.0/"),
        ("", "by 1.0 https://creativecommons.org/publicdomain/zero/1.0/"),
        ("Ann & Co", "CC BY-SA-4.0 https://creativecommons.org/licenses/by-sa/4.0"),
        ("Ann & Co", "PD OLD https://creativecommons.org/licenses/by-sa/4.0"),
    ]
    assert rows[0].page == "https://stocksnap.io/photo/1"
    assert rows[2].page == "https://commons.wikimedia.org/wiki/File:Pineapple_1.jpg"
    assert rows[2].url.endswith("/good/commons-1.jpg")
    asked = server.queries
    assert asked[0]["license"] == ["cc0,pdm,by,by-sa"]
    assert [query["page"] for query in asked[:2]] == [["1"], ["2"]]
    assert int(asked[0]["page_size"][0]) <= 20
    assert asked[2]["gsrsearch"] == ["pineapple filetype:bitmap"]
    assert asked[3]["gsroffset"] == ["50"]
    assert any("ann@example.org" in agent for agent in server.agents)


def test_search_stops_at_the_limit(server):
    rows = search(["a"], 2, openverse_url=f"{server.url}/openverse/", commons_url=f"{server.url}/commons/")

    assert len(rows) == 2


def test_search_to_pictures_with_categories(tmp_path, server):
    rows = collect(
        'search:"pineapple", banana',
        tmp_path / "out",
        limit=1,
        min_size=32,
        manners=Manners(**QUICK),
        jobs=1,
        openverse_url=f"{server.url}/openverse/",
        commons_url=f"{server.url}/commons/",
    )

    assert [(row.category, row.file, row.status) for row in rows] == [
        ("pineapple", "pineapple/000000.jpg", "kept"),
        ("banana", "banana/000001.jpg", "kept"),
    ]
    assert (tmp_path / "out" / rows[1].file).exists()
    assert rows[0].licence.startswith("cc0 1.0")


def test_an_engine_that_refuses_is_said_and_the_other_goes_on(server, capsys):
    rows = search(["a"], 9, openverse_url=f"{server.url}/refusing/", commons_url=f"{server.url}/commons/")

    assert len(rows) == 2
    said = capsys.readouterr().err
    assert "openverse did not answer for 'a': 401 Unauthorized page_size may not" in said
    assert "Only another DEST asks it again." in said


def test_a_search_that_finds_nothing_says_what_to_try(server):
    with pytest.raises(click.ClickException, match="No pictures found for a under cc0"):
        search(["a"], 9, openverse_url=f"{server.url}/refusing/", commons_url=f"{server.url}/missing/")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CC BY-SA 4.0", "by-sa"),
        ("cc-by-2.0-de", "by"),
        ("CC BY-NC-ND 3.0", "by-nc-nd"),
        ("CC0", "cc0"),
        ("Public domain", "pdm"),
        ("pd-old-70", "pdm"),
        ("GFDL", ""),
        ("cc-bypass", ""),
        ("", ""),
    ],
)
def test_licences_of_commons(name, code):
    assert licence_code(name) == code


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 localhost 10.1.2.3 192.168.0.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 2130706433 0x7f.1 "
    "::1 fe80::1 fc00::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1".split(),
)
def test_private_addresses_are_refused_in_every_spelling(host):
    with pytest.raises(Refused, match="private address"):
        check_public(host, 80)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_not(host):
    check_public(host, 443)


def test_a_name_that_changes_its_address_is_caught_once_connected(server, monkeypatch):
    import socket

    answers = iter(["8.8.8.8"])
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real(next(answers, "127.0.0.1"), *a, **k))
    before = sum(server.seen.values())

    with pytest.raises(OSError, match=r"private address 127\.0\.0\.1"):
        build_opener(Manners()).open(f"http://rebinding.example:{server.server_port}/good/x.jpg", timeout=5)

    assert sum(server.seen.values()) == before


@pytest.mark.parametrize(
    ("source", "options", "code", "sentence"),
    [
        ("nowhere", [], 1, "nowhere is not there: give a folder, an archive, a list of URLs, or search:TERM"),
        ("search:cake", ["--engine", "google"], 2, "'google' is none of openverse, commons"),
        ("search:cake", ["--licence", "by,all"], 2, "'all' is none of cc0"),
        ("search:", [], 1, "search: has no term"),
        ("notes.txt", [], 1, "holds no http or https URLs"),
        ("list.csv", [], 1, "can't be read as a list of URLs: field larger than field limit"),
        ("list.txt.gz", [], 1, "can't be read as a list of URLs: Not a gzipped file"),
        ("empty.zip", [], 1, "holds no pictures"),
        ("damaged.tgz", [], 1, "damaged archive"),
        ("spoilt.tgz", [], 1, "damaged archive"),
        ("spoilt.tar.xz", [], 1, "damaged archive"),
        ("spoilt.tar", [], 1, "damaged archive: unreadable from byte 1,024 on"),
        ("spoilt.txt.gz", [], 1, "can't be read as a list of URLs"),
        ("folder", [], 1, "holds no pictures"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, source, options, code, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("Dear picture,\n")
    (tmp_path / "list.csv").write_text('url\n"' + 200_000 * "x")
    (tmp_path / "list.txt.gz").write_text("https://example.org/a.jpg")
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
    assert "was collected with limit None, not 3" in result.output


def test_dest_inside_source_is_refused(tmp_path):
    shutil.copytree(EMOJI / "food", tmp_path / "in")

    result = run(tmp_path / "in", tmp_path / "in" / "out")

    assert result.exit_code == 2
    assert "choose a DEST outside" in result.output


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_a_missing_distributor_is_one_sentence(tmp_path):
    (tmp_path / "urls.txt").write_text("https://example.org/a.jpg\n")

    result = run(tmp_path / "urls.txt", tmp_path / "out", "--distributor", "ray")

    assert result.exit_code == 1
    assert "--distributor ray needs the package ray: pip install ray" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("distributor", ["ray", "pyspark"])
def test_the_other_distributors_keep_the_same_manners(tmp_path, server, distributor):
    if not find_spec(distributor):
        pytest.skip(f"{distributor} is not installed")
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

    reasons = ["", "opted out: X-Robots-Tag", "private address 127.0.0.1: refused", "too large: over 200,000 bytes"]
    assert [row.reason for row in rows] == reasons


def test_reading_lists_of_any_bytes_never_crashes(tmp_path):
    draw = random.Random(0)
    for _ in range(50):
        (tmp_path / "list").write_bytes(draw.randbytes(300) + b"\nhttps://example.org/a.jpg\n")
        assert read_list(tmp_path / "list", None, 0)[-1].url == "https://example.org/a.jpg"


def test_pictures_are_opened_by_pillow_from_the_bytes_collected(collected):
    rows, folder, *_ = collected
    for row in rows:
        if row.file:
            with Image.open(folder / row.file) as image:
                assert image.size == (64, 64)
