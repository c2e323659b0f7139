"""The guards around a node: conditions on the Python version, and the handling of exceptions."""
