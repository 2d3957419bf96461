"""The website: every page shows a picture of something that does not exist.

    gunicorn main:app
    CLOUD_STORAGE_BUCKET=gs://my-pictures gunicorn main:app

This file reads the settings from environment variables (see DEFAULTS) and makes the application. The routes are in
web/pages.py, web/wall.py, web/game.py and web/live.py. The pictures are in a bucket, see gallery/release.py.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from gallery import GalleryError
from web import logs
from web.front import FrontDoor
from web.game import game
from web.live import live
from web.pages import pages
from web.site import MOUNT, Site
from web.wall import wall

DEFAULTS = {
    "CLOUD_STORAGE_BUCKET": str(Path(__file__).parent / "demo" / "bucket"),  # gs://bucket, gs://bucket/prefix, a folder
    "CACHE_MB": "128",  # memory for ready pages; an F1 instance has 384 in total
    "REFRESH_S": "60",  # seconds between checks for a new release
    "SITE_URL": "",  # https://its.address for share tags; "": the visitor's
    "PREFETCH": "1",  # 0: fetch the next picture only when it is asked for
    "METRICS": "0",  # 1: numbers for Prometheus at /metrics
    "TRUSTED_HOSTS": "",  # a.example,.b.example: the only hosts to answer under; "" means any
    "TRUSTED_PROXIES": "0",  # how many proxies in front set X-Forwarded-For, -Proto, -Host and -Prefix
}


def create_app(config: Mapping[str, str] | None = None) -> Flask:
    """Make the application; `config` overrides the environment. Raises a GalleryError for a setting it can't use."""
    settings = {name: (config or {}).get(name) or os.environ.get(name) or DEFAULTS[name] for name in DEFAULTS}
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=16_384, SEND_FILE_MAX_AGE_DEFAULT=31_536_000)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(pages)
    app.register_blueprint(live)
    app.register_blueprint(wall)
    app.register_blueprint(game)
    app.extensions["site"] = site = Site(
        app,
        settings["CLOUD_STORAGE_BUCKET"],
        budget=round(_number(settings, "CACHE_MB", 1, 100_000) * 1_000_000),
        refresh_s=_number(settings, "REFRESH_S", 0.1, 86_400),
        url=_site_url(settings["SITE_URL"]),
        hosts=_hosts(settings["TRUSTED_HOSTS"]),
        prefetch=_switch(settings, "PREFETCH"),
    )
    app.wsgi_app = FrontDoor(app.wsgi_app, site.deck, site.place_of)  # type: ignore[method-assign]
    if _switch(settings, "METRICS"):
        from web.metrics import Metrics  # imported late: most sites don't need it

        app.wsgi_app = Metrics(app, site.deck)  # type: ignore[method-assign]
    if (proxies := _number(settings, "TRUSTED_PROXIES", 0, 100)) % 1:
        raise GalleryError(f"TRUSTED_PROXIES is {settings['TRUSTED_PROXIES']!r}, expected a whole number.")
    if proxies := int(proxies):
        app.wsgi_app = ProxyFix(app.wsgi_app, proxies, proxies, proxies, 0, proxies)  # type: ignore[method-assign]
    elif logs.on_google_cloud():  # its proxy ends TLS
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    if not MOUNT.fullmatch(mount := os.environ.get("SCRIPT_NAME", "")):
        raise GalleryError(
            f"SCRIPT_NAME is {mount!r}, expected the path that the site is mounted below, such as /emoji."
        )
    site.deck.start()
    return app


def _number(settings: Mapping[str, str], name: str, low: float, high: float) -> float:
    try:
        value = float(settings[name])
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise GalleryError(f"{name} is {settings[name]!r}, expected a number from {low:g} to {high:g}.")
    return value


def _switch(settings: Mapping[str, str], name: str) -> bool:
    if settings[name] not in ("0", "1"):
        raise GalleryError(f"{name} is {settings[name]!r}, expected 1 or 0.")
    return settings[name] == "1"


def _hosts(text: str) -> list[str]:
    """Parse host names separated by commas; .example means example and its subdomains."""
    hosts = [host.strip().lower().removesuffix(".") for host in text.split(",") if host.strip()]
    for host in hosts:
        if not host_is_trusted(host.removeprefix(".")):
            raise GalleryError(
                f"TRUSTED_HOSTS has {host!r}, expected host names such as a.example, or .a.example for its subdomains too."
            )
    return hosts


def _site_url(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:  # unbalanced brackets
        parts = urlsplit("")
    if text and not (
        parts.scheme in ("http", "https")
        and host_is_trusted(parts.netloc)
        and parts.path in ("", "/")
        and not (parts.query or parts.fragment)
    ):
        raise GalleryError(f"SITE_URL is {text!r}, expected https:// and a host name, without a path.")
    return text.rstrip("/")


def __getattr__(name: str) -> Flask:
    """Make `main.app` on first access, so that importing this module starts nothing."""
    if name != "app":
        raise AttributeError(name)
    logs.set_up()
    try:
        app = globals()["app"] = create_app()
    except GalleryError as error:
        logging.getLogger(__name__).critical("%s", error)
        sys.exit(4)  # gunicorn's code for "app failed to load": it stops instead of restarting the worker
    return app
