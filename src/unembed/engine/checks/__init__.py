"""The proof, at load, that an anatomy is right."""
