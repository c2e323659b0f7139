"""Resolvers for other frameworks, each needing its package; nothing else of ctxpolicy imports them."""
