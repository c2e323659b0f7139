"""How the laws are tried: contexts, threads, processes."""
