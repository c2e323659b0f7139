"""The resolvers, one module each; the contract is in :mod:`~ctxpolicy.resolvers.base`."""
