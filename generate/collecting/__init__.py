"""What `collect` is made of: searching, fetching and unpacking pictures, and the table of where each is from."""
