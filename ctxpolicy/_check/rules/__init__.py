"""The rules of the check, one module for each group."""
