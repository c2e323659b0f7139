"""The loops that ctxpolicy makes: owner, lease, reuse, end."""
