"""DCGANs, as PyTorch's example and its many descendants save them."""
