"""Value vectors on disk: built layer by layer, searched by word, token and direction."""
