"""collect: from lists of URLs, in whatever form people have them."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from itertools import islice

from generate.collect import collect
from generate.collecting.listing import read_list, reservoir
from generate.collecting.polite import Manners
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
