"""Explain failed requests to Cloud Storage: the reason, and whether to try again.

sentence = f"{url} can't be used ({reason_of(error)}): {advice_for(error)}"
"""

from __future__ import annotations

import html
import json
import re

import requests
from google.api_core import exceptions as api
from google.cloud.storage.exceptions import DataCorruption

LONGEST = 300  # characters of a response that are quoted
RETRYABLE = (408, 429, 500, 502, 503, 504)  # temporary statuses
PERMISSION = re.compile(r"permission|does not have|access|anonymous|unauthorized|\bACL\b", re.IGNORECASE)
INTERCEPTED = "check the network: a login page or a proxy may be answering instead."
NOT_STORAGE = (
    requests.exceptions.InvalidJSONError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.TooManyRedirects,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
)
CURES = (  # for permanent errors
    (requests.exceptions.SSLError, "check this machine's certificates and the network."),
    (requests.exceptions.ProxyError, "check HTTPS_PROXY and that proxy."),
    (NOT_STORAGE, INTERCEPTED),
)

CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
MESSAGE_FIELDS = ("message", "error_description", "detail", "error", "errors")  # of JSON errors, the best first
MARKUP = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def reason_of(error: BaseException) -> str:
    """Return the status and the server's message, or the kind of the error if there is none."""
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
    """Return what to do, as the end of a sentence: to try again only if that can help."""
    error = _cause(error)
    status = _status(error)
    if status in RETRYABLE:
        return "try again later."
    if status >= 400:
        return "trying again does not help; follow its message." if _answer(error) else INTERCEPTED
    return next(
        (cure for kind, cure in CURES if isinstance(error, kind)), INTERCEPTED if status else "try again later."
    )


def is_about_permission(error: BaseException) -> bool:
    """True if a 403 names a missing permission or gives no reason, False if it has another reason, such as billing."""
    said = _message(_answer(_cause(error)))
    return not said or PERMISSION.search(said) is not None


def _status(error: BaseException) -> int:
    """Return the HTTP status of the response; 0 if there was none, or if it is not the reason."""
    if isinstance(error, DataCorruption):
        return 0
    code = getattr(error, "code", None) if isinstance(error, api.GoogleAPICallError) else None
    return int(code or getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _cause(error: BaseException) -> BaseException:
    """Return the last failure of a retried call, whose own error says only that time ran out."""
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
    """Return the text of the server's response; "" without one."""
    try:
        return str(getattr(error, "response", None).text)  # type: ignore[union-attr]
    except (AttributeError, RuntimeError):  # a consumed download has no text
        return ""


def _message(answer: str) -> str:
    """Return the message in a response of Cloud Storage, which is JSON or XML; "" for any other text."""
    try:
        return _short(_first_message(json.loads(answer)))
    except (ValueError, RecursionError):
        return _short(" ".join(re.findall(r"<(?:\w+:)?(?:Message|Details)>([^<]*)</", CDATA.sub(r"\1", answer))))


def _first_message(said: object) -> str:
    """Return the first message in JSON of any shape; "" if there is none."""
    if isinstance(said, dict):
        said = [said[name] for name in MESSAGE_FIELDS if name in said]
    if isinstance(said, list):
        return next(filter(None, map(_first_message, said)), "")
    return said if isinstance(said, str) else ""


def _short(text: str) -> str:
    """Return the text as one line without entities, of bounded length, to quote in a sentence."""
    return " ".join(html.unescape(text).split())[:LONGEST].rstrip(".")
