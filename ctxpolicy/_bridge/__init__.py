"""Where sync code, threads and event loops meet: block_on(), isolate() and the thread pool."""
