"""The rules of ``check``."""
