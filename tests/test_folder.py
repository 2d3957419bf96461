"""gallery/folder.py: what only a folder can have: links, hidden files, names of any bytes, remains of killed writers."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.bucket import Conflict, NotFound, TooLarge, Unavailable, open_bucket
from gallery.folder import STALE_S, FolderBucket
from tests.conftest import ROOT


def test_links_that_lead_out_of_the_folder_are_refused(tmp_path, caplog):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.jpg").write_bytes(b"private")
    folder = tmp_path / "bucket"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "0.jpg").write_bytes(b"public")
    (folder / "cats" / "1.jpg").symlink_to(tmp_path / "private" / "a.jpg")
    (folder / "cats" / "2.jpg").symlink_to("../../private/a.jpg")
    (folder / "dogs").symlink_to(tmp_path / "private")
    (folder / "cats" / "3.jpg").symlink_to("0.jpg")  # inside
    (folder / "cats" / "circle.jpg").symlink_to("circle.jpg")
    bucket = open_bucket(str(folder))

    for _ in range(3):
        assert list(bucket.names()) == ["cats/0.jpg", "cats/3.jpg"]
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/a.jpg"):
        with pytest.raises(NotFound, match="link to a file outside"):
            bucket.read(name)
    with pytest.raises(NotFound, match="link to a file outside"):
        bucket.create("dogs/b.jpg", b"", "image/jpeg")
    with pytest.raises(NotFound, match="link to a file outside"):
        list(bucket.names("dogs/"))
    assert bucket.read("cats/3.jpg") == b"public"
    assert caplog.text.count("2 links left out (leads outside") == 1


def test_a_folder_that_is_itself_reached_by_a_link_is_read(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "0.jpg").write_bytes(b"0")
    (tmp_path / "link").symlink_to("real")

    assert open_bucket(str(tmp_path / "link")).read("0.jpg") == b"0"


@pytest.mark.parametrize("bad", [b"caf\xe9.jpg", b"\xff\xfe/0.jpg"])
def test_names_that_are_not_utf8_are_left_out_and_named_once(tmp_path, caplog, bad):
    path = os.path.join(os.fsencode(tmp_path), bad)  # noqa: PTH118 (pathlib has no paths of bytes)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"")
    except OSError:
        pytest.skip("this file system takes no such names")
    (tmp_path / "ünï").mkdir()
    (tmp_path / "ünï" / "寿司.jpg").write_bytes(b"")
    bucket = open_bucket(str(tmp_path))

    for _ in range(3):
        assert list(bucket.names()) == ["ünï/寿司.jpg"]
        assert bucket.folders() == ["ünï"]
    assert caplog.text.count("not in UTF-8") == 1


def test_folder_is_not_left(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "bucket").mkdir()
    bucket = open_bucket(str(tmp_path / "bucket"))

    for name in ("../secret", "a/../../secret", str(tmp_path / "secret"), "a\0b"):
        with pytest.raises(NotFound):
            bucket.read(name)


def test_hidden_files_are_no_part_of_a_folder(tmp_path):
    bucket = open_bucket(str(tmp_path))
    bucket.create("0.jpg", b"", "image/jpeg")
    bucket.swap("site.json", b"", "application/json", 0)
    (tmp_path / ".DS_Store").write_text("")

    assert list(bucket.names()) == ["0.jpg", "site.json"]
    assert bucket.folders() == []


def test_folder_without_hard_links_works_too(tmp_path, monkeypatch):
    def no_links(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what Linux says on FAT

    monkeypatch.setattr(os, "link", no_links)
    bucket = open_bucket(str(tmp_path))

    assert bucket.create("0.jpg", b"first", "image/jpeg") is True
    assert bucket.create("0.jpg", b"first", "image/jpeg") is False
    with pytest.raises(Conflict):
        bucket.create("0.jpg", b"second", "image/jpeg")
    assert bucket.read("0.jpg") == b"first"


def test_what_a_killed_publisher_left_is_swept_a_day_later(tmp_path):
    bucket = open_bucket(str(tmp_path))
    (tmp_path / ".tmp").mkdir()
    for name, age_s in (("old", STALE_S + 60), ("new", 60)):
        (tmp_path / ".tmp" / name).write_bytes(b"half")
        os.utime(tmp_path / ".tmp" / name, (0, time.time() - age_s))

    bucket.swap("site.json", b"", "application/json", 0)

    assert [path.name for path in (tmp_path / ".tmp").iterdir()] == ["new"]


def test_a_file_that_is_set_back_has_another_version(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    bucket = FolderBucket(tmp_path)
    before, status = bucket.versions(), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert bucket.versions() != before


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "site.json")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a.jpg"))
        bucket = FolderBucket(tmp_path)
        for name in ("site.json", "a.jpg", "site.json/x"):
            with pytest.raises(NotFound, match=f"There is no {name} in"):
                bucket.read(name)
            with pytest.raises(NotFound, match=f"There is no {name} in"):
                bucket.read_part(name, 0, 9)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(TooLarge, match=r"a\.jpg in .* has 200,000,000 bytes, over the limit of 1,000\.$"):
        FolderBucket(tmp_path, largest=1000).read("a.jpg")


def test_half_of_a_file_that_is_being_written_is_not_its_content(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"half")
    real = os.fstat

    def and_go_on(number: int) -> os.stat_result:
        """Between looking at the file and reading it, its writer goes on."""
        status = real(number)
        with path.open("ab") as file:
            file.write(b"more")
        return status

    monkeypatch.setattr(os, "fstat", and_go_on)
    with pytest.raises(Unavailable, match=r"a\.jpg in .* is being written\.$"):
        FolderBucket(tmp_path).read("a.jpg")


def test_a_link_to_the_folder_that_is_replaced_leads_to_the_new_one(tmp_path):
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / f"{version}.jpg").write_bytes(version.encode())
    (tmp_path / "current").symlink_to("one")
    bucket = FolderBucket(tmp_path / "current")
    assert list(bucket.names()) == ["one.jpg"]
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "current")
    assert list(bucket.names()) == ["two.jpg"]
    assert bucket.read("two.jpg") == b"two"


def test_folders_that_come_and_go_disturb_no_listing(tmp_path, monkeypatch):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "0.jpg").write_bytes(b"")
    (tmp_path / "dogs").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        """The folder is deleted just before it is listed."""
        if str(path).endswith("dogs"):
            (tmp_path / "dogs").rmdir()
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(FolderBucket(tmp_path).names()) == ["cats/0.jpg"]


def test_a_disk_that_fails_while_it_is_listed_is_unavailable(tmp_path, monkeypatch):
    (tmp_path / "cats").mkdir()

    def scandir(path: str) -> object:
        raise OSError(errno.ESTALE, "Stale file handle", path)

    monkeypatch.setattr(os, "scandir", scandir)
    for call in (lambda: list(FolderBucket(tmp_path).names()), lambda: FolderBucket(tmp_path).versions()):
        with pytest.raises(Unavailable, match="Stale file handle"):
            call()


def test_a_folder_that_is_gone_is_not_empty(tmp_path):
    (tmp_path / "bucket" / "releases").mkdir(parents=True)
    bucket = open_bucket(str(tmp_path / "bucket"))
    with pytest.raises(NotFound):
        bucket.read("site.json")
    assert (list(bucket.names()), bucket.folders("releases")) == ([], [])
    (tmp_path / "bucket").rename(tmp_path / "away")

    for read in (
        lambda: bucket.read("site.json"),
        lambda: bucket.read_part("site.json", 0, 1),
        lambda: list(bucket.names()),
        lambda: bucket.folders("releases"),
    ):
        with pytest.raises(Unavailable, match="is gone: mount its drive, or move it back"):
            read()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder whose parents every user may enter, which is not true of pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv to become another user, who may read less")
def test_a_folder_that_may_not_be_read_is_named(open_to_all):
    for name in ("cats", "dogs"):
        (open_to_all / name).mkdir()
        (open_to_all / name / "0.jpg").write_bytes(b"")
    (open_to_all / "dogs").chmod(0)
    program = f"from gallery.bucket import open_bucket; print(list(open_bucket({str(open_to_all)!r}).names()))"
    become = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    python = [*become, sys.executable, "-B", "-c"]
    if subprocess.run([*python, "import gallery.bucket"], cwd=ROOT, capture_output=True, timeout=300).returncode:
        pytest.skip("another user may not read this checkout or its environment")
    done = subprocess.run(
        [*python, program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    (open_to_all / "dogs").chmod(0o755)
    assert done.stdout == "['cats/0.jpg']\n"
    assert "1 folder left out (can't be read, change the owner or mode): ['dogs']" in done.stderr
