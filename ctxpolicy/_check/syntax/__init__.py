"""Scopes, names and the order of statements."""
