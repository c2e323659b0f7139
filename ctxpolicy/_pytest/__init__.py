"""The parts of the pytest plugin; :mod:`ctxpolicy.pytest_plugin` holds its hooks and fixtures."""
