"""Logging: plain lines in a terminal, JSON lines on Google Cloud."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextvars import ContextVar

trace: ContextVar[str] = ContextVar("trace", default="")  # the request's X-Cloud-Trace-Context


def on_google_cloud() -> bool:
    """True on App Engine and Cloud Run, which put a proxy in front and collect logs."""
    return "GAE_ENV" in os.environ or "K_SERVICE" in os.environ


class CloudFormatter(logging.Formatter):
    """One line of JSON as Cloud Logging reads it: severity, message, and the trace it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the record as one line."""
        entry = {"severity": record.levelname, "message": super().format(record), "logger": record.name}
        project = os.environ.get("GOOGLE_CLOUD_PROJECT")
        if project and (identity := trace.get().partition("/")[0]):
            entry["logging.googleapis.com/trace"] = f"projects/{project}/traces/{identity}"
        return json.dumps(entry, ensure_ascii=False)


CLOUD_CONFIG = {  # for gunicorn's own log lines, as logging.config takes it
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"cloud": {"()": CloudFormatter}},
    "handlers": {"cloud": {"class": "logging.StreamHandler", "formatter": "cloud"}},
    "root": {"level": "INFO", "handlers": ["cloud"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "propagate": True}},
}


def set_up() -> None:
    """Log to stderr, from INFO up."""
    handler = logging.StreamHandler(sys.stderr)
    if on_google_cloud():
        handler.setFormatter(CloudFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("urllib3.connection").setLevel(
        logging.ERROR
    )  # its warnings repeat, as tracebacks, what we log ourselves
