"""Every language model type that transformers can build small, and what the engine makes of it.

`make families` examines each type in a process of its own and writes docs/reference/families.md.
"""
