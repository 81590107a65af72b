"""Activation patching: what an activation of one prompt does in the run of another."""
