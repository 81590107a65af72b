"""Tiny models of every family, as the analyses' tests have them."""

from ..analyses.conftest import model_of, one_thread

__all__ = ["model_of", "one_thread"]
