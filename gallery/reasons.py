"""What Cloud Storage says about a request that failed, and whether trying again can help.

sentence = f"{url} does not answer as it should ({reason_of(error)}): {advice_for(error)}"
"""

from __future__ import annotations

import html
import json
import re

import requests
from google.api_core import exceptions as api
from google.cloud.storage.exceptions import DataCorruption

LONGEST = 300  # characters of an answer that is not from Cloud Storage, as of a proxy's page
PASSING = (408, 429, 500, 502, 503, 504)  # statuses that trying again may help with
PERMISSION = re.compile(r"permission|does not have|access|anonymous|unauthorized|\bACL\b", re.IGNORECASE)
INTERCEPTED = "check the network between: a login page or a proxy may answer instead."
NOT_STORAGE = (
    requests.exceptions.InvalidJSONError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.TooManyRedirects,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
)
CURES = (  # for errors that stay until something is changed
    (requests.exceptions.SSLError, "check the certificates of this machine and the network between."),
    (requests.exceptions.ProxyError, "check HTTPS_PROXY and the proxy that it names."),
    (NOT_STORAGE, INTERCEPTED),
)

CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
SPOKEN_AT = ("message", "error_description", "detail", "error", "errors")  # where JSON has its message, the best first
MARKUP = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def reason_of(error: BaseException) -> str:
    """The status and the server's own message, or the kind of the error if there is none."""
    error = _cause(error)
    if isinstance(error, DataCorruption):
        return "the checksum is wrong"
    text = _answer(error)
    said = _message(text) or _short(MARKUP.sub(" ", CDATA.sub(r"\1", text)))
    status = _status(error)
    if said:
        return f"{status or ''} {said}".strip()
    if status:
        return f"status {status}"
    if isinstance(error, requests.exceptions.InvalidJSONError):
        return str(error)
    return _of_the_system(error) or type(error).__name__


def advice_for(error: BaseException) -> str:
    """What to do, the end of a sentence: trying again only where that can help."""
    error = _cause(error)
    status = _status(error)
    if status in PASSING:
        return "try again later."
    if status >= 400:
        return "trying again does not help; do what its message says." if _answer(error) else INTERCEPTED
    return next(
        (cure for kind, cure in CURES if isinstance(error, kind)), INTERCEPTED if status else "try again later."
    )


def is_about_permission(error: BaseException) -> bool:
    """True if a refusal names a missing permission or gives no reason, False if it has another one, such as billing."""
    said = _message(_answer(_cause(error)))
    return not said or PERMISSION.search(said) is not None


def _status(error: BaseException) -> int:
    """The HTTP status of the answer; 0 if there was none, or it is no reason."""
    if isinstance(error, DataCorruption):
        return 0
    code = getattr(error, "code", None) if isinstance(error, api.GoogleAPICallError) else None
    return int(code or getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _cause(error: BaseException) -> BaseException:
    """The last failure of a retried call, whose own error says only that the time was over."""
    while isinstance(error, api.RetryError) and error.cause is not None:
        error = error.cause
    return error


def _of_the_system(error: BaseException | None) -> str:
    """What the system says of a connection that failed, as in "Connection refused"; "" if it says nothing."""
    for _ in range(8):  # libraries wrap it several times
        if error is None:
            break
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        wrapped = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
        error = next((inner for inner in wrapped if isinstance(inner, BaseException)), None)
    return ""


def _answer(error: BaseException) -> str:
    """The text of the server's answer; "" without one."""
    try:
        return str(getattr(error, "response", None).text)  # type: ignore[union-attr]
    except (AttributeError, RuntimeError):  # a download that was consumed already has no text
        return ""


def _message(answer: str) -> str:
    """The message in an answer of Cloud Storage, which is JSON or XML; "" for any other text."""
    try:
        return _short(_spoken(json.loads(answer)))
    except (ValueError, RecursionError):
        return _short(" ".join(re.findall(r"<(?:\w+:)?(?:Message|Details)>([^<]*)</", CDATA.sub(r"\1", answer))))


def _spoken(said: object) -> str:
    """The first message in JSON of any shape; "" if there is none."""
    if isinstance(said, dict):
        said = [said[name] for name in SPOKEN_AT if name in said]
    if isinstance(said, list):
        return next(filter(None, map(_spoken, said)), "")
    return said if isinstance(said, str) else ""


def _short(text: str) -> str:
    """One line without entities, of bounded length, as a part of a sentence."""
    return " ".join(html.unescape(text).split())[:LONGEST].rstrip(".")
