"""What the pytest plugin is made of; :mod:`ctxpolicy.pytest_plugin` is its face."""
