"""A pass that ends early, outside a `Run`: see `partial_forward`."""
