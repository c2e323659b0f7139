"""What ctxpolicy costs, measured against asyncio's own policy and others: ``python -m tests.benchmarks``."""
