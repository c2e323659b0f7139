"""Lifetimes of loops: scopes, resources of a loop, and where sync and async code meet."""
