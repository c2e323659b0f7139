"""The code that depends on the version of Python, or that touches asyncio's private names."""
