"""gs://bucket/prefix through google-cloud-storage, or its emulator if STORAGE_EMULATOR_HOST is set.

`open_bucket` imports this module only when it is needed, since it is slow to import.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from gallery import GalleryError
from gallery.checksum import crc32c
from gallery.connections import prepare_session
from gallery.errors import BucketError, Conflict, Forbidden, NotFound, TooLarge, Unavailable
from gallery.reasons import INTERCEPTED, advice_for, is_about_permission, reason_of

LISTING = "its list of objects"
LIST_KIND = "storage#objects"


class CloudBucket:
    """Implements `gallery.bucket.Bucket` with Cloud Storage's preconditions, checksums and retries."""

    def __init__(self, url: str, patience_s: float, largest: int) -> None:
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        self.url = url.rstrip("/")
        self._largest = largest
        self.operations: Counter[str] = Counter()
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        if not bucket:
            raise BucketError(f"{url!r} lacks the name of a bucket: use gs://bucket or gs://bucket/prefix.")
        try:
            # the client requires a project, which reading objects does not need
            self._client = storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT", "none"))
            self._client._bucket_metadata_cache = None  # otherwise the client calls storage.buckets.get
            self._bucket = self._client.bucket(bucket)
        except DefaultCredentialsError:
            raise Forbidden(
                f"No credentials for {url}: run `gcloud auth application-default login`, "
                "or set GOOGLE_APPLICATION_CREDENTIALS."
            ) from None
        except ValueError:
            raise BucketError(f"{url!r} is not a bucket: use gs://bucket or gs://bucket/prefix.") from None
        prepare_session(self._client._http, self._client._connection.API_BASE_URL, self.operations, largest)
        self._options: dict[str, Any] = {
            "timeout": (3.05, max(1.0, min(patience_s, 60.0))),
            "retry": DEFAULT_RETRY.with_timeout(patience_s),
        }
        next(self._pages("", max_results=1), None)

    def read(self, name: str) -> bytes:
        return self.read_generation(name)[0]

    def read_generation(self, name: str) -> tuple[bytes, int]:
        blob = self._blob(name)
        with self._translated(name):
            try:
                data = bytes(blob.download_as_bytes(**self._options))
            except DataCorruption:  # which the client library does not retry
                data = bytes(blob.download_as_bytes(**self._options))
        self._check(blob, name)
        return data, int(blob.generation)

    def read_part(self, name: str, start: int, length: int) -> bytes:
        blob = self._blob(name)
        with self._translated(name):  # storage has no checksums of parts
            options = {"start": start, "end": start + length - 1, "checksum": None} | self._options
            data = bytes(blob.download_as_bytes(**options))
        self._check(blob, name)
        return data

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        try:
            self._upload(name, data, content_type, generation=0, cache_control="public, max-age=31536000, immutable")
        except Conflict:  # it exists, from an interrupted run or from a first attempt whose response was lost
            if self._checksum(name) == crc32c(data):
                return False
            raise
        return True

    def swap(self, name: str, data: bytes, content_type: str, generation: int) -> None:
        try:
            self._upload(name, data, content_type, generation, cache_control="no-store")
        except (Conflict, Unavailable):
            # the write may have succeeded with its response lost, and the retry found another generation
            if not self._reads(name, data):
                raise

    def _reads(self, name: str, data: bytes) -> bool:
        try:
            return self.read(name) == data
        except NotFound:
            return False

    def names(self, prefix: str = "") -> Iterator[str]:
        return (name for name, _ in self._list(prefix))

    def folders(self, prefix: str = "") -> list[str]:
        inside = prefix.strip("/") + "/" if prefix else ""
        found = {folder for page in self._pages(inside, delimiter="/") for folder in page.raw_page.get("prefixes", ())}
        return sorted(folder.removeprefix(self._prefix + inside).rstrip("/") for folder in found)

    def checksums(self, prefix: str) -> dict[str, int]:
        return dict(self._list(prefix))

    def versions(self, prefix: str = "") -> dict[str, str]:
        return {name: f"{checksum:08x}" for name, checksum in self._list(prefix)}

    def delete(self, name: str) -> None:
        with self._translated(name), suppress(api.NotFound):
            self._blob(name).delete(**self._options)

    def _check(self, blob: Any, name: str) -> None:
        """Raise Unavailable if a download lacks Cloud Storage's headers: a captive portal or a proxy answered."""
        if blob.generation is None or blob.crc32c is None:
            raise Unavailable(
                f"The response for {name} is not from Cloud Storage, although its status is 200: "
                f"check the network between here and {self.url}."
            )

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + name)

    def _upload(self, name: str, data: bytes, content_type: str, generation: int, cache_control: str) -> None:
        blob = self._blob(name)
        blob.cache_control = cache_control
        with self._translated(name, conditional=True):
            blob.upload_from_string(
                data, content_type, if_generation_match=generation, checksum="crc32c", **self._options
            )

    def _checksum(self, name: str) -> int:
        blob = self._blob(name)
        with self._translated(name):
            blob.reload(**self._options)
        return _decode_crc32c(blob.crc32c)

    def _list(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self._translated(LISTING):
            for page in self._pages(prefix, fields="kind,items(name,crc32c),nextPageToken", page_size=1000):
                for blob in page:
                    yield blob.name.removeprefix(self._prefix), _decode_crc32c(blob.crc32c)

    def _pages(self, prefix: str, **options: Any) -> Iterator[Any]:
        """The pages of a listing. Raises Unavailable if they are not from Cloud Storage: its empty list has a kind, too."""
        seen: set[str] = set()
        with self._translated(LISTING):
            found = self._client.list_blobs(self._bucket, prefix=self._prefix + prefix, **options, **self._options)
            for page in found.pages:
                token = found.next_page_token
                if page.raw_page.get("kind") != LIST_KIND or token in seen:
                    raise Unavailable(
                        f"{self.url} gave an invalid response: a listing that is not Cloud Storage's. Check the network."
                    )
                seen |= {token} - {None}
                yield page

    @contextmanager
    def _translated(self, what: str, conditional: bool = False) -> Iterator[None]:
        """Convert the client library's exceptions to BucketErrors; `conditional` means that a precondition was sent."""
        try:
            yield
        except api.NotFound as error:
            if "bucket does not exist" in str(error).lower() or what == LISTING:
                raise NotFound(f"The bucket {self.url} does not exist: create it, or check its name.") from error
            raise NotFound(f"There is no {what} in {self.url}.") from error
        except api.Unauthorized as error:
            raise Forbidden(
                f"{self.url} rejects the credentials ({reason_of(error)}): run `gcloud auth application-default login`, "
                "or check GOOGLE_APPLICATION_CREDENTIALS."
            ) from error
        except api.Forbidden as error:
            if is_about_permission(error):
                raise Forbidden(
                    f"No permission for {what} in {self.url} ({reason_of(error)}): the site needs "
                    "roles/storage.objectViewer on the bucket, a publisher roles/storage.objectUser."
                ) from error
            raise Forbidden(f"Cloud Storage refuses {what} in {self.url}: {reason_of(error)}.") from error
        except GoogleAuthError as error:
            raise Forbidden(
                f"The credentials for {self.url} don't work ({' '.join(str(error).split())}): run `gcloud auth "
                "application-default login`, or check GOOGLE_APPLICATION_CREDENTIALS."
            ) from error
        except api.PreconditionFailed as error:
            if not conditional:
                raise Unavailable(f"{self.url} can't be used (status 412): {INTERCEPTED}") from error
            raise Conflict(f"{what} in {self.url} was changed by someone else in the meantime.") from error
        except (api.GoogleAPIError, requests.RequestException, DataCorruption, InvalidResponse, OSError) as error:
            raise Unavailable(f"{self.url} can't be used ({reason_of(error)}): {advice_for(error)}") from error
        except TooLarge:
            raise TooLarge(f"{what} in {self.url} is larger than the limit of {self._largest:,} bytes.") from None
        except GalleryError:
            raise
        except Exception as error:  # the client library, on a response that is not from Cloud Storage
            raise Unavailable(
                f"{self.url} gave an invalid response ({type(error).__name__}: {error}): check the network."
            ) from error


def _decode_crc32c(base64_text: str | None) -> int:
    if base64_text is None:
        raise Unavailable("A response without a checksum is not from Cloud Storage: check the network.")
    return int.from_bytes(base64.b64decode(base64_text), "big")
