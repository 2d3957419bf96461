"""Turn a folder of pictures into a release in a bucket, and name its categories."""
