"""From states to what they say of the vocabulary."""
