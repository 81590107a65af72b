"""Sparse autoencoders and transcoders that others trained: read, held against a model, attached."""
