"""What `train` is made of: the loop, its options and data, and what a run reports."""
