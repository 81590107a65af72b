"""Explanations written by language models, from texts and what a node is in them."""
