"""gallery/folder.py: what only a folder can have, links and names of any bytes."""

from __future__ import annotations

import os

import pytest

from gallery.bucket import NotFound, open_bucket


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
        with pytest.raises(NotFound, match="leads out of"):
            bucket.read(name)
    with pytest.raises(NotFound, match="leads out of"):
        bucket.create("dogs/b.jpg", b"", "image/jpeg")
    with pytest.raises(NotFound, match="leads out of"):
        list(bucket.names("dogs/"))
    assert bucket.read("cats/3.jpg") == b"public"
    assert caplog.text.count("links to files outside") == 1


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
