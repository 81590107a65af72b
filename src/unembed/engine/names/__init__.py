"""Names: sites, nodes and tokens, read and checked."""
