"""The resolvers, one module each; :mod:`~ctxpolicy.resolvers.base` has the contract."""
