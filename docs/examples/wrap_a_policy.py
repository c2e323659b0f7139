"""Keep a policy that you already have: make a resolver of it, which works on a Python without policies too.

Run it with ``python docs/examples/wrap_a_policy.py``.
"""

import asyncio
import threading

import ctxpolicy


class TenantPolicy:
    """Your policy: one loop per tenant and thread. (Up to 3.13, such a class derived from AbstractEventLoopPolicy.)"""

    def __init__(self):
        self._loops = {}
        self.tenant = threading.local()

    def _key(self):
        return threading.get_ident(), getattr(self.tenant, "name", None)

    def get_event_loop(self):
        try:
            return self._loops[self._key()]
        except KeyError:
            raise RuntimeError("no loop for this tenant") from None

    def set_event_loop(self, loop):
        if loop is None:
            self._loops.pop(self._key(), None)
        else:
            self._loops[self._key()] = loop

    def new_event_loop(self):
        return asyncio.SelectorEventLoop()


class PolicyResolver(ctxpolicy.ContextResolver):
    """The contexts of a policy. The policy's get_event_loop() must not make a loop if there is none."""

    def __init__(self, policy):
        self.policy = policy

    def get(self):
        try:
            return self.policy.get_event_loop()
        except RuntimeError:
            return None

    def set(self, loop):
        self.policy.set_event_loop(loop)

    def new(self):
        return self.policy.new_event_loop()

    def describe(self):
        return f"tenant {getattr(self.policy.tenant, 'name', None)}"


class Told(ctxpolicy.DelegatingResolver):
    """Another resolver's contexts, telling of every loop that is bound: a resolver around a resolver."""

    def __init__(self, resolver):
        self.resolver = resolver

    def present(self):
        return self.resolver

    def binding_changed(self, previous, current):
        print(f"{self.describe()}: {'nothing' if current is None else type(current).__name__} is bound")


async def hello():
    return "hello"


def main():
    policy = TenantPolicy()
    with ctxpolicy.install(Told(PolicyResolver(policy))):
        for policy.tenant.name in "acme", "globex":
            asyncio.run(hello())
    with ctxpolicy.install(PolicyResolver(policy), missing="create"):  # the policy could not do this before
        for policy.tenant.name in "acme", "globex":
            loop = asyncio.get_event_loop()
            print(f"{policy.tenant.name} has a loop: {loop.run_until_complete(hello())}")
            asyncio.set_event_loop(None)
            print(f"{policy.tenant.name}'s loop is closed: {loop.is_closed()}")


if __name__ == "__main__":
    main()
