"""The proof of the engine: every family, site and edit, against code that shares none of it."""
