"""What can go wrong with a bucket."""

from __future__ import annotations

from gallery import GalleryError


class BucketError(GalleryError):
    """The bucket can't do what was asked."""


class NotFound(BucketError):
    """There is no such object, folder or bucket."""


class Conflict(BucketError):
    """Another object has this name already, or it was written since it was read."""


class Forbidden(BucketError):
    """No permission, or nobody is logged in."""


class Unavailable(BucketError):
    """Storage did not answer, answered nonsense, or took too long."""


class TooLarge(BucketError):
    """An object is larger than what its reader has memory for."""
