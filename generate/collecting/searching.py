"""Search Openverse and Wikimedia Commons for pictures under given licences.

    python -c "from generate.collecting.searching import *; print(*search(['pineapple'], limit=5), sep='\\n')"

Openverse, https://api.openverse.org/v1/: 20 results a page and 240 a search without an account. Commons,
https://commons.wikimedia.org/w/api.php: `generator=search` with `imageinfo`; pictures are scaled to 1,280 px.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from generate.collecting.polite import Manners
from generate.collecting.provenance import Row

OPENVERSE = "https://api.openverse.org/v1/images/"
COMMONS = "https://commons.wikimedia.org/w/api.php"
LICENCES = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd")  # pdm: public domain
FREE = LICENCES[:4]  # allow any use, including changes
ENGINES = ("openverse", "commons")
PAGE = 20  # results; without an account, Openverse answers 401 to larger pages
COMMONS_PAGE, COMMONS_PX = 50, 1280  # pixels; one of the widths that Commons caches
BUSY = (429, 502, 503, 504)  # status codes worth a retry
TIMEOUT_S = (10, 30)  # connect, read


def search(
    terms: list[str],
    limit: int,
    min_size: int = 0,
    licences: tuple[str, ...] = FREE,
    engines: tuple[str, ...] = ENGINES,
    manners: Manners | None = None,
    openverse_url: str = OPENVERSE,
    commons_url: str = COMMONS,
) -> list[Row]:
    """At most `limit` pictures for each term, without duplicates. With several terms, each is a category.

    Skips results below `min_size` pixels or under other licences. Reports engines that don't answer on stderr. Raises
    click.ClickException if nothing was found.
    """
    found: dict[str, Row] = {}
    silent: dict[str, str] = {}
    with _session(manners or Manners()) as session:
        for term in terms:
            category = term if len(terms) > 1 else ""
            rows = _all_engines(
                session, term, category, min_size, licences, engines, openverse_url, commons_url, silent
            )
            new = (row for row in rows if row.url not in found)
            found |= {row.url: row for row in islice(new, limit)}
    if not found and silent:
        why = "; ".join(f"{engine}: {error}" for engine, error in silent.items())
        raise click.ClickException(
            f"No pictures found for {', '.join(terms)}, because a search did not answer ({why}): wait an hour, and say who you "
            "are with --contact."
        )
    if not found:
        raise click.ClickException(
            f"No pictures found for {', '.join(terms)} under {', '.join(licences)}: try other terms, or allow more licences with --licence: {', '.join(LICENCES)}."
        )
    return list(found.values())


class _Patient(HTTPAdapter):
    """Delays requests to respect the rate limit."""

    def __init__(self, pause_s: float, **options: Any) -> None:
        super().__init__(**options)
        self.pause_s = pause_s

    def send(self, *args: Any, **options: Any) -> requests.Response:
        time.sleep(self.pause_s)
        return super().send(*args, **options)


def _session(manners: Manners) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = manners.user_agent
    retry = Retry(total=2, backoff_factor=1, status_forcelist=BUSY, retry_after_max=10, raise_on_status=False)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Patient(1 / manners.rate_per_s, max_retries=retry))
    return session


def _all_engines(
    session: requests.Session,
    term: str,
    category: str,
    min_size: int,
    licences: tuple[str, ...],
    engines: tuple[str, ...],
    openverse_url: str,
    commons_url: str,
    silent: dict[str, str],
) -> Iterator[Row]:
    """Yield the results of all engines. Engines that fail are added to `silent` with the reason and skipped from then on."""
    for engine in engines:
        if engine in silent:
            continue
        try:
            if engine == "openverse":
                skip = "wikimedia" if "commons" in engines else ""  # skip in Openverse what Commons itself returns
                yield from _openverse(session, openverse_url, term, category, min_size, licences, skip)
            else:
                yield from _commons(session, commons_url, term, category, min_size, licences)
        except (requests.RequestException, ValueError, KeyError) as error:
            silent[engine] = str(error)
            click.echo(
                f"{engine} did not answer for {term!r} ({error}): to ask it again, wait a while and collect into another DEST.",
                err=True,
            )


def _openverse(
    session: requests.Session,
    url: str,
    term: str,
    category: str,
    min_size: int,
    licences: tuple[str, ...],
    skip: str,
) -> Iterator[Row]:
    parameters: dict[str, Any] = {"q": term, "license": ",".join(licences), "page_size": PAGE, "page": 1}
    if skip:
        parameters["excluded_source"] = skip
    while True:
        answer = _get(session, url, parameters)
        for result in answer["results"]:
            if min(result.get("width") or min_size, result.get("height") or min_size) < min_size:
                continue
            licence = f"{result['license']} {result.get('license_version') or ''} {result.get('license_url') or ''}"
            yield Row(
                file="",
                category=category,
                url=result["url"],
                page=result.get("foreign_landing_url") or "",
                author=result.get("creator") or "",
                licence=" ".join(licence.split()),
            )
        if parameters["page"] >= min(answer["page_count"], 240 // PAGE):
            return
        parameters["page"] += 1


def _commons(
    session: requests.Session, url: str, term: str, category: str, min_size: int, licences: tuple[str, ...]
) -> Iterator[Row]:
    parameters: dict[str, Any] = {
        "action": "query",
        "format": "json",
        "formatversion": 2,
        "generator": "search",
        "gsrsearch": f"{term} filetype:bitmap",
        "gsrnamespace": 6,  # files
        "gsrlimit": COMMONS_PAGE,
        "prop": "imageinfo",
        "iiprop": "url|size|extmetadata",
        "iiurlwidth": COMMONS_PX,
        "iiextmetadatafilter": "License|LicenseShortName|LicenseUrl|Artist",
        "maxlag": 5,  # seconds; reject the request while the servers lag behind
    }
    while True:
        answer = _get(session, url, parameters)
        pages = answer.get("query", {}).get("pages", [])
        for page in sorted(pages, key=lambda page: page.get("index", 0)):
            (info,) = page.get("imageinfo") or [{}]
            about = {name: str(field.get("value", "")) for name, field in info.get("extmetadata", {}).items()}
            code = licence_code(about.get("License") or about.get("LicenseShortName", ""))
            if not info or code not in licences or min(info["width"], info["height"]) < min_size:
                continue
            yield Row(
                file="",
                category=category,
                url=info.get("thumburl") or info["url"],
                page=info["descriptionurl"],
                author=_plain(about.get("Artist", "")),
                licence=f"{about.get('LicenseShortName', code)} {about.get('LicenseUrl', '')}".strip(),
            )
        if "continue" not in answer:
            return
        parameters |= answer["continue"]


def licence_code(name: str) -> str:
    """Openverse's code of a Commons licence: "CC BY-SA 4.0" -> by-sa, pd-old -> pdm; "" if there is none."""
    name = name.lower().replace(" ", "-").replace("_", "-")
    if name.startswith(("cc0", "cc-zero")):
        return "cc0"
    if name.startswith(("pd", "public-domain")):
        return "pdm"
    match = re.match(r"cc-(by(-nc)?(-nd|-sa)?)(-\d|$)", name)
    return match[1] if match else ""


def _get(session: requests.Session, url: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """GET a JSON object. Raises requests.RequestException, or ValueError with the API's error message."""
    response = session.get(url, params=parameters, timeout=TIMEOUT_S)
    answer = response.json() if "json" in response.headers.get("Content-Type", "") else {}
    detail = answer.get("detail") or answer.get("error", {})
    if not response.ok or detail or not answer:
        raise ValueError(f"{response.status_code} {response.reason} {detail or ''}".strip())
    return dict(answer)


def _plain(text: str) -> str:
    """Strip HTML, which author names on Commons contain."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
