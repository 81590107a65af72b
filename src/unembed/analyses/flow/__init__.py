"""The flow graph: how information goes through layers, in words of the vocabulary."""
