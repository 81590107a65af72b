"""Training sparse autoencoders and transcoders on what a model computes over texts."""
