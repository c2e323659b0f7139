"""What asyncio would do here and now, and why."""
