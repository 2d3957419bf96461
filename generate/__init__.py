"""The offline half: from a folder of pictures to a filled bucket, one job a file."""
