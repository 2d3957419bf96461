"""A folder or gs://bucket/prefix behind the same few operations: read, list, create once, swap, delete.

    from gallery.bucket import open_bucket
    bucket = open_bucket("gs://my-pictures/emoji")
    bucket.create("releases/x/0.jpg", data, "image/jpeg")

Both kinds give the same guarantee: an object is there whole or not at all, `create` never replaces one,
and `swap` replaces only the generation that its caller has read.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import google_crc32c

from gallery import GalleryError

THREADS = 32  # connections kept open to Cloud Storage; more concurrent calls wait for one


class BucketError(GalleryError):
    """The bucket can't do what was asked."""


class NotFound(BucketError):
    """There is no such object, folder or bucket."""


class Conflict(BucketError):
    """Something else is there already, or has been written since it was read."""


class Forbidden(BucketError):
    """No permission, or nobody is logged in."""


class Unavailable(BucketError):
    """Storage did not answer, or not in time."""


class Bucket(Protocol):
    """What both kinds can do. Names are relative and use slashes; every method may raise a BucketError."""

    url: str

    def read(self, name: str) -> bytes: ...

    def read_generation(self, name: str) -> tuple[bytes, int]:
        """An object and its generation, the number that `swap` asks for."""

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        """Write a new object. False if the same bytes are there already; Conflict if others are."""

    def swap(self, name: str, data: bytes, content_type: str, generation: int) -> None:
        """Replace the generation that was read (0: there was none); Conflict if it is no longer that."""

    def names(self, prefix: str = "") -> Iterator[str]:
        """Every object whose name starts with the prefix, sorted."""

    def folders(self, prefix: str = "") -> list[str]:
        """The next part of the names below `prefix/`, where something is below that, sorted."""

    def checksums(self, prefix: str) -> dict[str, int]:
        """CRC32C of every object whose name starts with the prefix."""

    def delete(self, name: str) -> None:
        """Remove an object; no error if it is gone already."""


def open_bucket(url: str, patience_s: float = 60.0) -> Bucket:
    """The bucket behind `gs://bucket[/prefix]` or a folder's path, which must exist.

    `patience_s` bounds the retries of one call to Cloud Storage. Raises a BucketError where the URL can't be
    used, nobody is logged in, or there is no such bucket.
    """
    if url.startswith("gs://"):
        return CloudBucket(url, patience_s)
    if "://" in url:
        raise BucketError(f"{url!r} is no bucket: use gs://bucket, gs://bucket/prefix or the path of a folder.")
    return FolderBucket(Path(url))


def crc32c(data: bytes) -> int:
    """The checksum that Cloud Storage keeps of every object."""
    return int(google_crc32c.value(data))


class FolderBucket:
    """A folder of this machine. A write is: temporary name, fsync, rename, fsync of the folder."""

    def __init__(self, root: Path) -> None:
        self.url = str(root)
        self._root = root.resolve()
        if not self._root.is_dir():
            raise NotFound(f"The bucket {str(root)!r} does not exist: make that folder, or give gs://bucket.")

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"There is no {name} in {self.url}.") from None
        except OSError as error:
            raise _folder_error(error, self.url) from error

    def read_generation(self, name: str) -> tuple[bytes, int]:
        data = self.read(name)
        return data, _generation(data)

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        path = self._path(name)
        if path.exists():
            if path.read_bytes() == data:
                return False
            raise Conflict(f"{name} exists in {self.url} with other content.")
        self._write(path, data)
        return True

    def swap(self, name: str, data: bytes, content_type: str, generation: int) -> None:
        path = self._path(name)
        with self._lock():
            now = _generation(path.read_bytes()) if path.exists() else 0
            if now != generation:
                raise Conflict(f"{name} in {self.url} was changed by someone else meanwhile.")
            self._write(path, data)

    def names(self, prefix: str = "") -> Iterator[str]:
        start = self._path(prefix.rpartition("/")[0])
        found = (path for path in start.rglob("*") if not _hidden(path, self._root) and path.is_file())
        relative = (path.relative_to(self._root).as_posix() for path in found)
        yield from sorted(name for name in relative if name.startswith(prefix))

    def folders(self, prefix: str = "") -> list[str]:
        start = self._path(prefix)
        below = start.iterdir() if start.is_dir() else iter(())
        return sorted(path.name for path in below if path.is_dir() and not _hidden(path, self._root))

    def checksums(self, prefix: str) -> dict[str, int]:
        return {name: crc32c(self.read(name)) for name in self.names(prefix)}

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
            for parent in path.parents:  # Cloud Storage has no empty folders
                if parent == self._root or any(parent.iterdir()):
                    break
                parent.rmdir()
        except OSError as error:
            raise _folder_error(error, self.url) from error

    def _path(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise NotFound(f"{name!r} is not a name in {self.url}.")
        return self._root / pure

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _fsync_folder(path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _folder_error(error, self.url) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One swap at a time. The system lets go of the lock when its holder dies, however that happens."""
        try:
            descriptor = os.open(self._root / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise _folder_error(error, self.url) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class CloudBucket:
    """gs://bucket/prefix through google-cloud-storage, or its emulator where STORAGE_EMULATOR_HOST is set."""

    def __init__(self, url: str, patience_s: float) -> None:
        # imported here: half a second and 50 MB that a folder bucket has no use for
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud import storage
        from google.cloud.storage.retry import DEFAULT_RETRY
        from requests.adapters import HTTPAdapter

        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        self.url = url.rstrip("/")
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        try:
            # objects need no project, but the client wants one and not every login has it
            self._client = storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT", "none"))
            self._bucket = self._client.bucket(bucket)
        except DefaultCredentialsError:
            raise Forbidden(
                f"Nobody is logged in to read {url}: run `gcloud auth application-default login`, "
                "or set GOOGLE_APPLICATION_CREDENTIALS."
            ) from None
        except ValueError:
            raise BucketError(f"{url!r} is no bucket: use gs://bucket or gs://bucket/prefix.") from None
        for scheme in ("https://", "http://"):
            self._client._http.mount(scheme, HTTPAdapter(pool_maxsize=THREADS, pool_connections=THREADS))
        self._options: dict[str, Any] = {
            "timeout": (3.05, max(1.0, min(patience_s, 60.0))),
            "retry": DEFAULT_RETRY.with_timeout(patience_s),
        }
        with self._translated("its list of objects"):
            next(iter(self._client.list_blobs(self._bucket, prefix=self._prefix, max_results=1, **self._options)), None)

    def read(self, name: str) -> bytes:
        with self._translated(name):
            return bytes(self._blob(name).download_as_bytes(**self._options))

    def read_generation(self, name: str) -> tuple[bytes, int]:
        blob = self._blob(name)
        with self._translated(name):
            data = bytes(blob.download_as_bytes(**self._options))
            return data, int(blob.generation)

    def create(self, name: str, data: bytes, content_type: str) -> bool:
        try:
            self._upload(name, data, content_type, generation=0, cache_control="public, max-age=31536000, immutable")
        except Conflict:  # there already, be it by an interrupted run or by a retry whose first reply was lost
            if self._checksum(name) == crc32c(data):
                return False
            raise
        return True

    def swap(self, name: str, data: bytes, content_type: str, generation: int) -> None:
        try:
            self._upload(name, data, content_type, generation, cache_control="no-store")
        except Conflict:  # our own write counts too, when its reply was lost and a retry found it done
            if self.read(name) != data:
                raise

    def names(self, prefix: str = "") -> Iterator[str]:
        return (name for name, _ in self._list(prefix))

    def folders(self, prefix: str = "") -> list[str]:
        full = self._prefix + (prefix.strip("/") + "/" if prefix else "")
        with self._translated(prefix):
            pages = self._client.list_blobs(self._bucket, prefix=full, delimiter="/", **self._options)
            for _ in pages:  # the folders are known once the pages have been read
                pass
        return sorted(folder.removeprefix(full).rstrip("/") for folder in pages.prefixes)

    def checksums(self, prefix: str) -> dict[str, int]:
        return dict(self._list(prefix))

    def delete(self, name: str) -> None:
        with self._translated(name):
            try:
                self._blob(name).delete(**self._options)
            except self._client_errors().NotFound:
                pass

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + name)

    def _upload(self, name: str, data: bytes, content_type: str, generation: int, cache_control: str) -> None:
        blob = self._blob(name)
        blob.cache_control = cache_control
        with self._translated(name):
            blob.upload_from_string(
                data, content_type, if_generation_match=generation, checksum="crc32c", **self._options
            )

    def _checksum(self, name: str) -> int:
        blob = self._blob(name)
        with self._translated(name):
            blob.reload(**self._options)
        return _decode_crc32c(blob.crc32c)

    def _list(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self._translated(prefix):
            for blob in self._client.list_blobs(self._bucket, prefix=self._prefix + prefix, **self._options):
                yield blob.name.removeprefix(self._prefix), _decode_crc32c(blob.crc32c)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Turn the client library's exceptions into sentences."""
        import requests
        from google.api_core import exceptions as api
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

        try:
            yield
        except api.NotFound as error:
            if "bucket does not exist" in str(error).lower() or what == "its list of objects":
                raise NotFound(f"The bucket {self.url} does not exist: make it, or check its name.") from error
            raise NotFound(f"There is no {what} in {self.url}.") from error
        except api.PreconditionFailed as error:
            raise Conflict(f"{what} in {self.url} was written by someone else meanwhile.") from error
        except (api.Forbidden, api.Unauthorized) as error:
            raise Forbidden(
                f"No permission for {what} in {self.url}: the site needs roles/storage.objectViewer on the bucket, "
                "a publisher roles/storage.objectUser."
            ) from error
        except GoogleAuthError as error:
            raise Forbidden(f"Can't log in to read {self.url}: {error}") from error
        except (api.GoogleAPIError, requests.RequestException, DataCorruption, InvalidResponse, OSError) as error:
            raise Unavailable(
                f"{self.url} does not answer as it should ({type(error).__name__}): try again later."
            ) from error

    @staticmethod
    def _client_errors() -> Any:
        from google.api_core import exceptions

        return exceptions


def _decode_crc32c(base64_text: str) -> int:
    import base64

    return int.from_bytes(base64.b64decode(base64_text), "big")


def _generation(data: bytes) -> int:
    """A folder has no generations; the content's hash tells two writes apart just as well."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") or 1


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder_error(error: OSError, url: str) -> BucketError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Forbidden(f"No permission to write in {url!r} ({error.strerror}): change its owner or mode.")
    return Unavailable(f"Can't use {url!r}: {error.strerror}.")
