"""Tracing: what made a node inside the model what it is."""
