"""Outputs of named modules and sites, outside a `Run`: see `partial_forward`."""
