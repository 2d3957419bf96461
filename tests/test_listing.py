"""collect: from lists of URLs, in whatever form people have them."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from collections import Counter
from itertools import islice, product
from pathlib import Path

import click
import pytest

from generate.collect import collect
from generate.collecting.listing import read_list, reservoir
from generate.collecting.polite import Manners, Refused, encode_url
from tests.collecting import QUICK


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


URLS = ["http://example.org/ñandú.jpg", "https://example.org/a b.jpg", "https://example.org/x,y.jpg?a=1;b=2"]


def urls_of(path: Path) -> list[str]:
    return [row.url for row in read_list(path, None, 0)]


@pytest.mark.parametrize("header", ["url", "URL", "image_url", "Image URL", "photo_image_url", "imageLink", "src_uri"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_any_delimiter_keep_url_and_licence(tmp_path, header, delimiter, encoding):
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow([header, "licence", "category", "title"])
    writer.writerows([url, "CC BY 4.0", "birds", "a; b, c"] for url in URLS)
    (tmp_path / "list.csv").write_text(file.getvalue(), encoding=encoding)

    rows = read_list(tmp_path / "list.csv", None, 0)

    assert [(row.url, row.licence, row.category) for row in rows] == [(url, "CC BY 4.0", "birds") for url in URLS]


def test_the_table_of_an_open_data_set_is_read_by_what_its_columns_are(tmp_path):
    unsplash = "photo_id\tphoto_url\tphoto_image_url\tphotographer_username\n" + "".join(
        f"{name}\thttps://unsplash.com/photos/{name}\thttps://images.unsplash.com/photo-{name}\tann\n"
        for name in "abcdefgh"
    )
    open_images = (
        "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,Thumbnail300KURL\n"
        + "".join(
            f"{name},train,https://farm1.example.org/{name}_o.jpg,https://example.org/photos/{name},https://creativecommons.org/by/2.0/,"
            f'https://example.org/people/{name},"Smith, Ann",Birds,https://c1.example.org/{name}_z.jpg\n'
            for name in "abc"
        )
    )
    flickr = "".join(
        f"{n}\tann\thttp://example.org/photos/{n}\thttp://farm3.example.org/{n}.jpg\tCC\n" for n in range(9)
    )
    pairs = "".join(f"{n}\thttp://farm3.example.org/{n}.jpg\n" for n in range(9))
    for name, text in {
        "unsplash.tsv000": unsplash,
        "open.csv": open_images,
        "flickr": flickr,
        "pairs.tsv": pairs,
    }.items():
        (tmp_path / name).write_text(text)

    first = read_list(tmp_path / "unsplash.tsv000", 1, 0)[0]
    assert (first.url[:34], first.author, first.category) == ("https://images.unsplash.com/photo-", "ann", "")
    first = read_list(tmp_path / "open.csv", None, 0)[0]
    assert first.url == "https://farm1.example.org/a_o.jpg"
    assert first.page == "https://example.org/photos/a"
    assert (first.licence, first.author) == ("https://creativecommons.org/by/2.0/", "Smith, Ann")
    assert urls_of(tmp_path / "flickr") == urls_of(tmp_path / "pairs.tsv")
    assert {row.category for row in read_list(tmp_path / "pairs.tsv", None, 0)} == {""}


def test_urls_with_delimiters_and_spaces_in_them_are_whole(tmp_path):
    (tmp_path / "plain.txt").write_text("\n".join(URLS))
    (tmp_path / "one column.csv").write_text("\n".join(["url", *URLS]))
    (tmp_path / "two a line.txt").write_text("http://example.org/a.jpg https://example.org/b.jpg\n")
    (tmp_path / "words.txt").write_text("black cats\thttp://example.org/a b.jpg\n")

    assert urls_of(tmp_path / "plain.txt") == urls_of(tmp_path / "one column.csv") == URLS
    assert urls_of(tmp_path / "two a line.txt") == ["http://example.org/a.jpg", "https://example.org/b.jpg"]
    (row,) = read_list(tmp_path / "words.txt", None, 0)
    assert (row.category, row.url) == ("black cats", "http://example.org/a b.jpg")


ROWS = [{"URL": url, "TEXT": "a bird", "license": "CC0", "width": 9, "tags": ["x"]} for url in URLS]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.json", json.dumps(ROWS)),
        ("rows.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("pretty.json", json.dumps(ROWS, indent=2)),
        ("coco.json", json.dumps({"info": {}, "annotations": [{"id": 1}], "images": ROWS})),
        ("one.jsonl", json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[1]) + '\n{"broken\n' + json.dumps(ROWS[2])),
    ],
)
def test_json_is_a_list(tmp_path, name, content):
    (tmp_path / name).write_text(content)

    rows = [row for row in read_list(tmp_path / name, None, 0) if row.status != "failed"]

    assert [(row.url, row.licence) for row in rows] == [(url, "CC0") for url in URLS]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ('{"a": {"url": "http://h/a.jpg"}, "b": {"url": "http://h/b.jpg"}}', ["http://h/a.jpg", "http://h/b.jpg"]),
        ('["x", "http://h/a.jpg"]\n["y", "http://h/b.jpg"]\n', ["http://h/a.jpg", "http://h/b.jpg"]),
        ("sep=;\nurl;licence\nhttp://h/a.jpg;CC0\n", ["http://h/a.jpg"]),
        ("- http://h/a.jpg\n- http://h/b c.jpg\n", ["http://h/a.jpg", "http://h/b c.jpg"]),
        ("http://h/a.jpg 640 480\n", ["http://h/a.jpg"]),
        ("url , licence\r\nhttp://h/a.jpg , CC0\r\n", ["http://h/a.jpg"]),
        ("http://h/a.jpg,cats\nhttp://h/b.jpg,dogs\n", ["http://h/a.jpg", "http://h/b.jpg"]),
        ('"http://h/a.jpg",\n', ["http://h/a.jpg"]),
    ],
)
def test_other_ways_to_write_a_list(tmp_path, text, urls):
    (tmp_path / "list").write_text(text)
    rows = read_list(tmp_path / "list", None, 0)
    assert [(row.url, row.category) for row in rows] == [(url, "") for url in urls]


@pytest.mark.parametrize(
    "text", ["<html><img src='http://h/a.jpg'></html>", '<?xml version="1.0"?><url>http://h/a.jpg</url>']
)
def test_web_pages_are_refused_by_name(tmp_path, text):
    (tmp_path / "list").write_text(text)
    with pytest.raises(click.ClickException, match="is HTML or XML, which is not read"):
        read_list(tmp_path / "list", None, 0)


def test_json_of_urls_alone_is_a_list(tmp_path):
    (tmp_path / "urls.json").write_text(json.dumps(URLS))
    assert urls_of(tmp_path / "urls.json") == URLS


def test_parquet_is_a_list(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "part-0.parquet")
    (tmp_path / "damaged.parquet").write_bytes((tmp_path / "part-0.parquet").read_bytes()[:300])

    assert [(row.url, row.licence) for row in read_list(tmp_path / "part-0.parquet", None, 0)] == [
        (u, "CC0") for u in URLS
    ]
    with pytest.raises(click.ClickException, match="is a damaged Parquet file"):
        read_list(tmp_path / "damaged.parquet", None, 0)


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"SQLite format 3\0", "an SQLite database"), (b"ARROW1\0\0", "an Arrow file"), (b"\x89HDF\r\n", "an HDF5 file")],
)
def test_other_formats_are_refused_by_name(tmp_path, head, name):
    (tmp_path / "list").write_bytes(head + b"http://example.org/a.jpg\n")

    with pytest.raises(click.ClickException, match=f"is {name}, which is not read: save it as CSV"):
        read_list(tmp_path / "list", None, 0)


def test_a_json_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "list.json").write_text('[{"url": "http://example.org/a.jpg"')
    with pytest.raises(click.ClickException, match="can't be read as a list of URLs: it is not JSON"):
        read_list(tmp_path / "list.json", None, 0)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h/ñandú.jpg", "http://h/%C3%B1and%C3%BA.jpg"),
        ("http://h/寿司.jpg?q=é#f", "http://h/%E5%AF%BF%E5%8F%B8.jpg?q=%C3%A9#f"),
        ("http://h/a b.jpg", "http://h/a%20b.jpg"),
        ("http://h/100%.jpg", "http://h/100%25.jpg"),
        ("http://h/%C3%B1.jpg?a=%20&b=+", "http://h/%C3%B1.jpg?a=%20&b=+"),
        ("http://bücher.example:81/a.jpg", "http://xn--bcher-kva.example:81/a.jpg"),
        ("http://h/🍍[1]'(2)!.jpg", "http://h/%F0%9F%8D%8D[1]'(2)!.jpg"),
    ],
)
def test_urls_are_sent_as_browsers_do(url, sent):
    assert encode_url(url) == sent
    assert encode_url(sent) == sent


def test_a_url_that_can_not_be_is_a_reason():
    for url in ("http://[::1/a.jpg", f"http://{'é' * 99}.org/", "http://é..org/", "http://example.org:99999/a.jpg"):
        with pytest.raises(Refused, match="not a URL"):
            encode_url(url)


@pytest.mark.parametrize("login", ["ann:pa%40ss", "ann", ":token", "", "寿司:x"])
def test_a_password_in_a_url_is_a_reason(login):
    with pytest.raises(Refused, match="password in the URL: it is not sent"):
        encode_url(f"https://{login}@example.org:8443/a.jpg")


def test_pictures_under_any_address_are_fetched(tmp_path, server):
    names = ["ñandú.jpg", "寿司.jpg", "with space.jpg", "100%.jpg", "q.jpg?a=é b"]
    (tmp_path / "list.csv").write_text(
        "\n".join(["image_url;licence", *(f"{server.url}/good/{name};CC0" for name in names)])
    )

    rows = collect(str(tmp_path / "list.csv"), tmp_path / "out", min_size=32, manners=Manners(**QUICK), jobs=1)

    assert [(row.status, row.reason, row.licence) for row in rows] == [("kept", "", "CC0")] * len(names)
    assert [row.url for row in rows] == [f"{server.url}/good/{name}" for name in names]


def test_categories_of_a_list_are_folders_whatever_they_are_called(tmp_path, server):
    names = ["..", "../../evil", "/etc", ".hidden", "é" * 200, "cakes & pies"]
    lines = [f"{server.url}/good/{number}.jpg,{name}" for number, name in enumerate(names)]
    (tmp_path / "list.csv").write_text("\n".join(["url,category", *lines]))

    rows = collect(str(tmp_path / "list.csv"), tmp_path / "out", min_size=32, manners=Manners(**QUICK), jobs=1)

    folders = ["", "evil/", "etc/", "hidden/", "é" * 100 + "/", "cakes & pies/"]
    assert [row.file for row in rows] == [f"{folder}{number:06}.jpg" for number, folder in enumerate(folders)]
    assert all((tmp_path / "out" / row.file).exists() for row in rows)


def test_reading_lists_of_any_bytes_never_crashes(tmp_path):
    draw = random.Random(0)
    for _ in range(50):
        (tmp_path / "list").write_bytes(draw.randbytes(300) + b"\nhttps://example.org/a.jpg\n")
        assert read_list(tmp_path / "list", None, 0)[-1].url == "https://example.org/a.jpg"


THREE = [f"http://h/{i}.jpg" for i in range(3)]
LINES = "\n".join(THREE) + "\n"


@pytest.mark.parametrize(
    "data",
    [
        LINES.encode("utf-16-le"),
        LINES.encode("utf-16-be"),
        LINES.encode("utf-32"),
        gzip.compress(LINES.encode(), mtime=0),
        gzip.compress(LINES.encode("utf-16"), mtime=0),
        b"\xef\xbb\xbf" + LINES.encode(),
        ", ".join(THREE).encode(),
        ";".join(THREE).encode(),
        "".join(f'"{url}",\n' for url in THREE).encode(),
        "".join(f"'{url}'\n" for url in THREE).encode(),
        "".join(f"<{url}>\n" for url in THREE).encode(),
        "".join(f"- ![a picture]({url})\n" for url in THREE).encode(),
        "".join(f"- url: {url}\n" for url in THREE).encode(),
        json.dumps({"data": {"photos": [{"src": {"original": url}} for url in THREE]}}).encode(),
        json.dumps({"results": [{"urls": {"full": url, "thumb": "http://t/x.jpg"}} for url in THREE]}).encode(),
    ],
)
def test_a_list_in_any_encoding_and_notation_is_read_whole(tmp_path, data):
    (tmp_path / "list").write_bytes(data)

    assert [row.url for row in read_list(tmp_path / "list", None, 0)] == THREE


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("Bild-URL;Lizenz;Urheber;Kategorie", "cp1252"),
        ("Lien de l'image;Licence;Auteur;Catégorie", "utf-8-sig"),
        ("Enlace;Licencia;Autor;Categoría", "cp1252"),
        ("Licenza;Autore;Categoria;URL immagine", "utf-16"),
    ],
)
def test_what_a_spreadsheet_in_another_language_knows_is_kept(tmp_path, header, encoding):
    url, licence, author, category = "https://example.org/süß;1.jpg", "CC BY 4.0", "Müller; Söhne", "Äpfel"
    cells = [f'"{url}"', licence, f'"{author}"', category]
    if header.endswith("immagine"):
        cells = [*cells[1:], cells[0]]
    (tmp_path / "list.csv").write_bytes(f"{header}\r\n{';'.join(cells)}\r\n".encode(encoding))

    (row,) = read_list(tmp_path / "list.csv", None, 0)

    assert (row.url, row.licence, row.author, row.category) == (url, licence, author, category)


def test_what_is_gzipped_is_told_by_content(tmp_path):
    (tmp_path / "urls.txt").write_bytes(gzip.compress(LINES.encode(), mtime=0))
    (tmp_path / "urls.gz").write_text(LINES)

    assert read_list(tmp_path / "urls.txt", None, 0) == read_list(tmp_path / "urls.gz", None, 0)


@pytest.mark.parametrize(
    "before",
    ["# a comment\n", "\n\n", "My pictures\n\n", "sep=,\n# and a comment\n", "# one\n\n# two\n", "#"],
)
def test_lines_before_the_header_do_not_cost_the_licence(tmp_path, before):
    (tmp_path / "list.csv").write_text(before + "url,licence\n" + "".join(f"{url},cc0\n" for url in THREE))

    rows = read_list(tmp_path / "list.csv", None, 0)

    assert [(row.url, row.licence) for row in rows] == [(url, "cc0") for url in THREE]


@pytest.mark.parametrize("delimiter", ["^", "~", "\x01", " ", " , ", " | "])
def test_rarer_delimiters_do_not_cost_the_licence(tmp_path, delimiter):
    lines = [f"url{delimiter}licence", *(f"{url}{delimiter}cc0" for url in THREE)]
    (tmp_path / "list").write_text("\n".join(lines))

    rows = read_list(tmp_path / "list", None, 0)

    assert [(row.url, row.licence) for row in rows] == [(url, "cc0") for url in THREE]


def test_rows_that_lack_cells_do_not_make_the_table_text(tmp_path):
    (tmp_path / "list.csv").write_text(
        "url,licence,author\nhttp://h/0.jpg\nhttp://h/1.jpg,cc0\nhttp://h/2.jpg,by,ann,x\n"
    )

    rows = read_list(tmp_path / "list.csv", None, 0)

    assert [(row.url, row.licence, row.author) for row in rows] == [
        ("http://h/0.jpg", "", ""),
        ("http://h/1.jpg", "cc0", ""),
        ("http://h/2.jpg", "by", "ann"),
    ]


def test_an_open_quotation_mark_does_not_swallow_rows(tmp_path):
    (tmp_path / "list.csv").write_text("url,title\n" + "".join(f'{url},"x\n' for url in THREE))

    with pytest.raises(
        click.ClickException, match="quotation mark that is not closed before line 3: close or remove it"
    ):
        read_list(tmp_path / "list.csv", None, 0)


def test_cells_as_long_as_a_picture_are_read(tmp_path):
    (tmp_path / "list.csv").write_text("url,thumbnail\n" + "".join(f"{url},{'A' * 200_000}\n" for url in THREE))

    assert [row.url for row in read_list(tmp_path / "list.csv", None, 0)] == THREE


def test_western_code_pages_are_read(tmp_path):
    (tmp_path / "list.csv").write_bytes("url,author\nhttp://h/ä.jpg,Jürgen\n".encode("cp1252"))

    (row,) = read_list(tmp_path / "list.csv", None, 0)

    assert (row.url, row.author) == ("http://h/ä.jpg", "Jürgen")


def test_half_a_character_in_json_is_written_as_its_number(tmp_path):
    (tmp_path / "list.jsonl").write_text('{"url": "http://localhost:1/\\ud800.jpg", "category": "\\ud83d"}\n')

    (row,) = collect(str(tmp_path / "list.jsonl"), tmp_path / "out", manners=Manners(**QUICK))

    assert (row.url, row.category, row.status) == ("http://localhost:1/\\ud800.jpg", "\\ud83d", "failed")


PHOTOS = [f"https://h.example/{i}.jpg" for i in range(4)]


@pytest.mark.parametrize("mark", ["::", "||", "##", "@@", "-->", " => "])
def test_delimiters_of_several_characters_cost_no_licence(tmp_path, mark):
    rows = [["url", "licence", "category"], *([url, "by-sa", "cat"] for url in PHOTOS)]
    (tmp_path / "list.txt").write_text("\n".join(mark.join(row) for row in rows))

    rows = read_list(tmp_path / "list.txt", None, 0)

    assert [(row.url, row.licence) for row in rows] == [(url, "by-sa") for url in PHOTOS]


@pytest.mark.parametrize(
    ("mark", "licence"),
    [
        *product(
            ["::", "||", "-->", "\t", ",", ";", "|"],
            ["by-sa", "CC BY 4.0", "cc0", "https://creativecommons.org/licenses/by/2.0/"],
        ),
        (" ", "CC BY 4.0"),
        (" ", "cc0"),
    ],
)
def test_without_a_header_the_licence_is_told_by_its_words(tmp_path, mark, licence):
    (tmp_path / "list.txt").write_text("".join(f"{url}{mark}{licence}\n" for url in PHOTOS))

    rows = read_list(tmp_path / "list.txt", None, 0)

    assert [(row.url, row.licence) for row in rows] == [(url, licence) for url in PHOTOS]


def test_numbers_and_authors_are_no_licence_but_all_rights_reserved_is(tmp_path):
    texts = {
        "numbers": "".join(f"{url},0,Ann\n" for url in PHOTOS),
        "rights": "".join(f"{url}::Ann::{'All rights reserved' if url == PHOTOS[0] else 'CC0'}\n" for url in PHOTOS),
        "sizes": "".join(f"{url} 0\n" for url in PHOTOS),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    found = {name: [row.licence for row in read_list(tmp_path / name, None, 0)] for name in texts}

    assert found == {"numbers": [""] * 4, "rights": ["All rights reserved", *["CC0"] * 3], "sizes": [""] * 4}


@pytest.mark.parametrize(
    ("name", "text", "rows", "repeated"),
    [
        ("list.txt", f"{PHOTOS[0]}\n# a comment\n\n{PHOTOS[0]}\nnonsense\n{PHOTOS[1]}\nnonsense\n", 3, 2),
        ("list.csv", f"url,category\n{PHOTOS[0]},cat\n{PHOTOS[0]},dog\n,cat\n,dog\n", 2, 2),
        ("list.json", json.dumps([None, PHOTOS[0], {}, PHOTOS[0]]), 2, 2),
        ("list.jsonl", f'{{"url": "{PHOTOS[0]}"}}\n\nnull\n{{"url": "{PHOTOS[0]}"}}\n', 2, 1),
        ("once.txt", "\n".join(PHOTOS), 4, 0),
    ],
)
def test_rows_that_repeat_a_url_are_counted(tmp_path, capsys, name, text, rows, repeated):
    (tmp_path / name).write_text(text)

    assert len(read_list(tmp_path / name, None, 0)) == rows

    passed_over = f"passed over {repeated} row{'s' * (repeated > 1)}, the URL is in another row\n"
    assert capsys.readouterr().err == (passed_over if repeated else "")


def test_hosts_of_ipv6_are_no_delimiters(tmp_path):
    urls = [f"http://[2001:db8::{i}]:8080/a.jpg" for i in range(1, 4)]
    (tmp_path / "list.txt").write_text("\n".join(urls))

    assert [row.url for row in read_list(tmp_path / "list.txt", None, 0)] == urls


@pytest.mark.parametrize(
    "data",
    [
        {"cat": PHOTOS[:2], "dog": PHOTOS[2:]},
        {"cat": [{"url": url} for url in PHOTOS[:2]], "dog": [{"url": url} for url in PHOTOS[2:]]},
        dict(zip(PHOTOS, ["cat", "cat", "dog", "dog"], strict=True)),
        [{"category": "cat", "urls": PHOTOS[:2]}, {"category": "dog", "urls": PHOTOS[2:]}],
        [{"label": "cat", "images": [{"src": url} for url in PHOTOS[:2]]}, {"label": "dog", "images": [{"src": u} for u in PHOTOS[2:]]}],
        {"data": {"items": [{"class": c, "images": {"original": {"url": u}}} for u, c in zip(PHOTOS, ["cat", "cat", "dog", "dog"], strict=True)]}},
    ],
)  # fmt: skip
def test_json_of_any_shape_is_whole_and_keeps_its_categories(tmp_path, data):
    (tmp_path / "list.json").write_text(json.dumps(data))

    rows = read_list(tmp_path / "list.json", None, 0)

    assert [(row.url, row.category) for row in rows] == list(zip(PHOTOS, ["cat", "cat", "dog", "dog"], strict=True))


def test_json_of_urls_by_their_ids_and_of_coco_with_licences_first_is_whole(tmp_path):
    (tmp_path / "ids.json").write_text(json.dumps({str(number): url for number, url in enumerate(PHOTOS)}))
    licences = [{"id": 1, "url": "http://creativecommons.example/by/2.0/"}]
    coco = {"licenses": licences, "images": [{"id": 1, "coco_url": url} for url in PHOTOS], "annotations": [{"id": 1}]}
    (tmp_path / "coco.json").write_text(json.dumps(coco))

    for name in ("ids.json", "coco.json"):
        assert [row.url for row in read_list(tmp_path / name, None, 0)] == PHOTOS


@pytest.mark.parametrize(
    "text",
    [
        '# Pictures\n\n![cat](URL0 "A cat")\n- [dog](URL1)\n* <URL2>\nsee also [this](URL3).\n',
        "urls = [\n  'URL0',\n  'URL1',\n  'URL2', 'URL3',\n]\n",
        'id,meta\n1,"{""url"": ""URL0""}"\n2,"{""url"": ""URL1""}"\n3,"{""url"": ""URL2""}"\n4,"{""url"": ""URL3""}"\n',
        'name,images\nx,"URL0;URL1"\ny,"URL2,URL3"\n',
        "Look at URL0, URL1 and URL2; then at URL3.\n",
        "URL0 URL1, URL2;URL3\n",
    ],
)
def test_urls_in_any_text_are_whole_and_none_is_lost(tmp_path, text):
    for number, url in enumerate(PHOTOS):
        text = text.replace(f"URL{number}", url)
    (tmp_path / "list.txt").write_text(text)

    assert [row.url for row in read_list(tmp_path / "list.txt", None, 0) if row.status != "failed"] == PHOTOS


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress], ids=["bzip2", "xz"])
def test_lists_are_unpacked(tmp_path, pack):
    data = pack("".join(f"{url}\tby\n" for url in ["url", *PHOTOS]).encode())
    (tmp_path / "list").write_bytes(data)
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])

    assert [row.url for row in read_list(tmp_path / "list", None, 0)] == PHOTOS
    with pytest.raises(click.ClickException, match="can't be read as a list of URLs"):
        read_list(tmp_path / "cut", None, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"url,licence\n", "it begins with 'url,licence'"),
        (b"gs://pictures/a.jpg\n", "it begins with 'gs://pictures/a.jpg'"),
        (b"C:\\Users\\a.jpg\n", "it begins with 'C:"),
        (b"\0" * 50, "it is not text"),
        (b"%PDF-1.4 http://h.example/a.jpg", "is a PDF, which is not read"),
        (b"{\\rtf1\\ansi http://h.example/a.jpg\\par}", "is an RTF document, which is not read"),
    ],
)
def test_what_holds_no_urls_is_said(tmp_path, content, words):
    (tmp_path / "list").write_bytes(content)

    with pytest.raises(click.ClickException) as refused:
        read_list(tmp_path / "list", None, 0)
    assert words in refused.value.message
