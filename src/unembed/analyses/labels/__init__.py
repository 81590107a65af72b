"""Which labels a model for classification gives, and what edits do to them."""
