"""The contract between the two halves: a bucket of pictures that `generate` writes and `web` reads."""


class GalleryError(Exception):
    """An error that the user can fix. The message says what happened and what to do."""
