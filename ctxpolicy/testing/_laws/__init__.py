"""The laws of a resolver, as tests."""
