"""What depends on the version of Python, and everything that touches asyncio's private names."""
