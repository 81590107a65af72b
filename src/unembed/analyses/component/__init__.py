"""One node: what it writes and promotes."""
