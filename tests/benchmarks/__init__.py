"""The cost of ctxpolicy, compared with asyncio's own policy and others: ``python -m tests.benchmarks``."""
