"""The version of ctxpolicy."""

__version__ = "0.1.0"
