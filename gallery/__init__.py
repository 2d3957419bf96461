"""The contract between the two halves: a bucket of pictures, written by one and read by the other."""


class GalleryError(Exception):
    """An error that its reader can fix. The message says what happened and what to do."""
