"""The implementation of `train`: the loop, its options and data, and its reports."""
