"""The contexts, threads and processes in which the laws are tested."""
