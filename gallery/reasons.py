"""What Cloud Storage says about a request that failed, and whether trying again can help.

sentence = f"{url} does not answer as it should ({reason_of(error)}): {advice_for(error)}"
"""

from __future__ import annotations

import json
import re

import requests
from google.api_core import exceptions as api

LONGEST = 300  # characters of an answer that is not from Cloud Storage, as of a proxy's page
PASSING = (408, 429, 500, 502, 503, 504)  # statuses that trying again may help with
PERMISSION = re.compile(r"permission|does not have|access|anonymous|unauthorized|\bACL\b", re.IGNORECASE)
CURES = (  # for errors that stay until something is changed
    (requests.exceptions.SSLError, "check the certificates of this machine and the network between."),
    (requests.exceptions.ProxyError, "check HTTPS_PROXY and the proxy that it names."),
    (requests.exceptions.InvalidJSONError, "check the network between: a login page or a proxy may answer instead."),
)


def reason_of(error: BaseException) -> str:
    """The status and the server's own message, or the name of the error if there is none."""
    error = _cause(error)
    text = _answer(error)
    said = _message(text) or " ".join(re.sub(r"<[^>]*>", " ", text).split())[:LONGEST].rstrip(".")
    return f"{_status(error)} {said}".strip() if said else type(error).__name__


def advice_for(error: BaseException) -> str:
    """What to do, the end of a sentence: trying again only where that can help."""
    error = _cause(error)
    if (status := _status(error)) and status not in PASSING:
        return "trying again does not help; do what its message says."
    return next((cure for kind, cure in CURES if isinstance(error, kind)), "try again later.")


def is_about_permission(error: BaseException) -> bool:
    """True if a refusal names a missing permission or gives no reason, False if it has another one, such as billing."""
    said = _message(_answer(_cause(error)))
    return not said or PERMISSION.search(said) is not None


def _status(error: BaseException) -> int | str:
    """The HTTP status of an API's error; "" for any other."""
    code = getattr(error, "code", None) if isinstance(error, api.GoogleAPICallError) else None
    return "" if code is None else int(code)


def _cause(error: BaseException) -> BaseException:
    """The last failure of a retried call, whose own error says only that the time was over."""
    while isinstance(error, api.RetryError) and error.cause is not None:
        error = error.cause
    return error


def _answer(error: BaseException) -> str:
    """The text of the server's answer; "" without one."""
    try:
        return str(getattr(error, "response", None).text)  # type: ignore[union-attr]
    except (AttributeError, RuntimeError):  # a download that was consumed already has no text
        return ""


def _message(answer: str) -> str:
    """The message in an answer of Cloud Storage, which is JSON or XML; "" for any other text."""
    try:
        said = json.loads(answer)["error"]
        text = str(said["message"] if isinstance(said, dict) else said)
    except (ValueError, KeyError, TypeError):
        text = " ".join(re.findall(r"<(?:Message|Details)>([^<]*)</", answer))
    return " ".join(text.split())[:LONGEST].rstrip(".")
