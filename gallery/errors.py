"""The errors of a bucket."""

from __future__ import annotations

from gallery import GalleryError


class BucketError(GalleryError):
    """An operation on a bucket failed."""


class NotFound(BucketError):
    """The object, folder or bucket does not exist."""


class Conflict(BucketError):
    """An object of this name exists with other content, or has changed since it was read."""


class Forbidden(BucketError):
    """Permission or credentials are missing."""


class Unavailable(BucketError):
    """Storage did not respond, gave an invalid response, or took too long."""


class TooLarge(BucketError):
    """An object is larger than the reader's limit."""
