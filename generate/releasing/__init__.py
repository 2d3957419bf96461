"""From a folder of pictures to a release in a bucket, and the names in it."""
