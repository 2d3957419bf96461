"""collect: from folders and archives, which may hold anything."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from generate.collect import collect
from generate.collecting.provenance import read_table
from generate.collecting.unpacking import copy_pictures
from generate.images import find_pictures
from tests.collecting import npm_tarball, run
from tests.conftest import EMOJI, files
from tests.nasty import emoji
from tests.picture_server import picture
from tests.preparing import prepare


def test_a_folder_keeps_its_categories_and_the_original(tmp_path):
    shutil.copytree(EMOJI, tmp_path / "in")
    (tmp_path / "in" / "food" / "letter.jpg").write_text("Dear picture,")
    (tmp_path / "in" / ".hidden.png").write_bytes(picture("PNG"))
    before = files(tmp_path / "in")

    result = run(tmp_path / "in", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert "36 pictures in" in result.output
    assert "rejected 1: not a picture, whatever its name says" in result.output
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


def zip_with_names(path: Path, names: list[bytes]) -> None:
    """A zip as old programs write it: names in whatever bytes, without the flag for UTF-8."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(f"{number:03}".ljust(len(name), "_"), picture("PNG"))
    data = path.read_bytes()
    for number, name in enumerate(names):
        data = data.replace(f"{number:03}".ljust(len(name), "_").encode(), name)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", ["寿司/0.jpg", "crème brûlée/1.jpg"]),
        ("cp932", ["寿司/0.jpg", "ラーメン/写真.jpg"]),
        ("cp866", ["кошки/0.jpg", "собаки/0.jpg"]),
        ("cp1251", ["кошки/0.jpg", "собаки/0.jpg"]),
        ("cp437", ["crème brûlée/1.jpg", "gâteau/2.jpg"]),
        ("cp949", ["고양이/1.jpg", "강아지/2.jpg"]),
    ],
)
def test_names_of_a_zip_in_another_code_page_are_those_meant(tmp_path, capsys, encoding, names):
    zip_with_names(tmp_path / "in.zip", [name.encode(encoding) for name in names])

    rows = collect(str(tmp_path / "in.zip"), tmp_path / "out", min_size=32)

    assert [row.file for row in rows] == names
    assert ("say --names with the right one" in capsys.readouterr().err) == (encoding != "utf-8")


def test_the_code_page_can_be_said(tmp_path):
    zip_with_names(tmp_path / "in.zip", ["猫/1.jpg".encode("gbk"), "狗/2.jpg".encode("gbk")])

    right = run(tmp_path / "in.zip", tmp_path / "out", "--min-size", 32, "--names", "gbk")
    wrong = run(tmp_path / "in.zip", tmp_path / "wrong", "--names", "ascii")
    nonsense = run(tmp_path / "in.zip", tmp_path / "nonsense", "--names", "klingon")

    assert right.exit_code == 0, right.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["狗", "猫"]
    assert (wrong.exit_code, nonsense.exit_code) == (1, 1)
    assert "are not in ascii: leave out --names, or say another" in wrong.output
    assert "klingon is not an encoding" in nonsense.output
    assert not (tmp_path / "wrong").exists()


def test_backslashes_in_a_zip_are_folders_and_equal_names_are_numbered(tmp_path):
    names = [b"cats\\0.jpg", b"cats/0.jpg", b"dogs\\a b\\0.jpg", b"cats/0-2.jpg", b"cats//0.jpg"]
    zip_with_names(tmp_path / "in.zip", names)

    rows = collect(str(tmp_path / "in.zip"), tmp_path / "out", min_size=32)

    assert [row.file for row in rows] == [
        "cats/0.jpg",
        "cats/0-3.jpg",
        "dogs/a b/0.jpg",
        "cats/0-2.jpg",
        "cats/0-4.jpg",
    ]
    assert [row.category for row in rows] == ["cats", "cats", "dogs", "cats", "cats"]
    assert all((tmp_path / "out" / row.file).exists() for row in rows)


def test_every_file_of_an_archive_is_kept_rejected_or_passed_over(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a/no suffix", picture("PNG"))
        archive.writestr("a/b.avif", picture("AVIF"))
        archive.writestr("a/photo.jxl", b"\0\0\0\x0cJXL \r\n\x87\n")
        archive.writestr("a/notes.txt", "Dear picture,")
        archive.writestr("__MACOSX/._b.avif", "resource fork")
        archive.writestr("../evil.png", picture("PNG"))
        archive.writestr(f"a/{'x' * 300}.png", picture("PNG"))

    rows = collect(str(tmp_path / "in.zip"), tmp_path / "out", min_size=32)

    said = capsys.readouterr().err
    assert [row.status for row in rows] == ["kept", "kept", "failed", "kept"]
    assert rows[2].reason == "JPEG XL, a format that is not read: convert it to PNG or JPEG"
    assert len(rows[3].file.encode()) == 255
    assert "passed over 1 file, not a picture: a/notes.txt" in said
    assert "passed over 1 file, hidden: __MACOSX/._b.avif" in said
    assert "passed over 1 file, a path that leads out of the archive: ../evil.png" in said


def test_a_file_of_the_name_of_a_folder_is_kept_and_counted(tmp_path):
    members = {"ok": "food/lemon", "ok/1.png": "food/pizza", "ok/1.png/x.png": "food/tomato", "ok/2.png": "animals/fox"}
    with tarfile.open(tmp_path / "odd.tar", "w") as archive:
        for name, emoji in members.items():
            info = tarfile.TarInfo(name)
            data = picture("PNG", name=emoji)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

    rows = copy_pictures(tmp_path / "odd.tar", tmp_path / "out", min_size=32)

    assert [row.status for row in rows] == ["kept"] * 4
    assert len({row.file for row in rows}) == len(find_pictures(tmp_path / "out")) == 4


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("an Excel sheet", ["[Content_Types].xml", "xl/worksheets/sheet1.xml"]),
        ("an Excel sheet", ["[Content_Types].xml", "docProps/thumbnail.jpeg", "xl/worksheets/sheet1.xml"]),
        ("an OpenDocument file", ["mimetype", "Thumbnails/thumbnail.png", "content.xml"]),
        ("a Word document", ["[Content_Types].xml", "word/document.xml"]),
        ("a file of Numbers, Pages or Keynote", ["Index/Document.iwa", "preview.jpg", "preview-micro.jpg"]),
    ],
)
def test_office_documents_are_refused_by_name_though_they_hold_a_picture_of_themselves(tmp_path, kind, members):
    with zipfile.ZipFile(tmp_path / "urls.zip", "w") as archive:
        for name in members:
            is_preview = "thumbnail" in name or "preview" in name
            archive.writestr(name, (EMOJI / "food" / "pizza.webp").read_bytes() if is_preview else "<document/>")

    result = run(tmp_path / "urls.zip", tmp_path / "out")

    assert result.exit_code == 1
    assert f"is {kind}, which is not read: save it as CSV or text." in result.output
    assert not (tmp_path / "out").exists()


def test_pictures_in_a_document_are_collected(tmp_path):
    with zipfile.ZipFile(tmp_path / "menu.docx", "w") as archive:
        archive.writestr("word/document.xml", "<document/>")
        archive.write(EMOJI / "food" / "pizza.webp", "word/media/image1.webp")

    assert [row.status for row in copy_pictures(tmp_path / "menu.docx", tmp_path / "out", min_size=32)] == ["kept"]


@pytest.mark.parametrize(
    ("name", "content", "cure"),
    [
        (
            "photos.rar",
            b"Rar!\x1a\7\1\0",
            "is a RAR archive, which is not read: unpack it and give the folder.",
        ),
        (
            "photos.7z",
            b"7z\xbc\xaf'\x1c",
            "is a 7z archive, which is not read: unpack it and give the folder.",
        ),
        ("photos.tar.zst", b"(\xb5/\xfd", "is a zstd file, which is not read: unpack it first."),
        ("half.zip", b"PK\3\4", "is a damaged zip archive: download it again."),
        ("one.png", b"\x89PNG\r\n\x1a\n", "is a picture (PNG): give the folder that holds it."),
    ],
)
def test_a_file_that_is_no_source_says_what_it_is(tmp_path, name, content, cure):
    (tmp_path / name).write_bytes(content + bytes(50))

    result = run(tmp_path / name, tmp_path / "out")

    assert result.exit_code == 1
    assert cure in result.output


def test_prepare_of_an_archive_says_how_to_unpack_it(tmp_path):
    (tmp_path / "my photos.zip").write_bytes(b"PK\3\4")

    result = prepare(tmp_path / "my photos.zip", tmp_path / "out")

    assert result.exit_code == 1
    assert f"unpack an archive with `python -m generate collect '{tmp_path}/my photos.zip' photos`" in result.output


def test_encrypted_members_are_named(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("food/lemon", "food/bread"):
            picture = io.BytesIO()
            emoji(name).save(picture, "PNG")
            file.writestr(f"{Path(name).name}.png", picture.getvalue())
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the flag of the first member, before it and in the directory
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)

    result = run(archive, tmp_path / "out", "--min-size", 32)

    assert result.exit_code == 0, result.output
    assert "1 picture" in result.output
    assert "encrypted: unpack the archive with its password and give the folder: lemon.png" in result.output
