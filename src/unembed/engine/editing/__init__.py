"""Edits as data, and how they act on an activation."""
