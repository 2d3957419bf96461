"""The contract between the two halves: a bucket of pictures, written by one and read by the other."""


class GalleryError(Exception):
    """Something its reader can mend. The text is one sentence: the value, what was expected, the cure."""
