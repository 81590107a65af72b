"""Circuits: which edges between nodes an answer needs, and how much of it they carry alone."""
