"""The bridges between sync code, threads and event loops: block_on(), isolate() and the thread pool."""
