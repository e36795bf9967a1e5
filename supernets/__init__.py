"""The PyTorch networks of the search spaces."""
