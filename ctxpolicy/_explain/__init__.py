"""Explains what asyncio would do in the present thread and context, and why."""
