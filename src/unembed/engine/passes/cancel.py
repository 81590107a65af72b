"""Where `Cancel` was."""

from unembed.engine.cancel import Cancel

__all__ = ["Cancel"]
