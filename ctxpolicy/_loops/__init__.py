"""The loops that ctxpolicy creates: their owner, their lease, their reuse and their end."""
