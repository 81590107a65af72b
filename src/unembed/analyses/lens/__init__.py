"""The logit lens: a grid of layers and positions."""
