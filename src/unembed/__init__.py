"""See what a transformer language model computes, and change it while it computes."""

__version__ = "0.1.0"
