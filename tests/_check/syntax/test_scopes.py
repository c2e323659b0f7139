from __future__ import annotations

import pytest

SHADOWED = {
    "a parameter": "def function(asyncio): asyncio.NAME",
    "a star parameter": "def function(*asyncio): asyncio.NAME",
    "a keyword parameter": "def function(*, asyncio): asyncio.NAME",
    "a double star parameter": "def function(**asyncio): asyncio.NAME",
    "a positional parameter": "def function(asyncio, /): asyncio.NAME",
    "a parameter of a lambda": "lambda asyncio: asyncio.NAME",
    "a parameter of an outer function": "def outer(asyncio):\n    def inner(): asyncio.NAME",
    "an assignment": "def function():\n    asyncio = object()\n    asyncio.NAME",
    "an assignment elsewhere in the module": "asyncio = fake()\nasyncio.NAME",
    "an assignment of some of several": "a, *asyncio = 1, 2\nasyncio.NAME",
    "an assignment from several": "a, asyncio = both\nasyncio.NAME",
    "an assignment from too few": "a, asyncio = 1, 2, 3\nasyncio.NAME",
    "an augmented assignment": "asyncio += 1\nasyncio.NAME",
    "a loop variable": "for asyncio in (): asyncio.NAME",
    "a with target": "with open() as asyncio: asyncio.NAME",
    "an exception": "try: pass\nexcept Exception as asyncio: asyncio.NAME",
    "a walrus": "def function():\n    (asyncio := 1)\n    asyncio.NAME",
    "a walrus in a comprehension": "def function():\n    [asyncio := one for one in ()]\n    asyncio.NAME",
    "a comprehension": "[asyncio.NAME for asyncio in ()]",
    "a set comprehension": "{asyncio.NAME for asyncio in ()}",
    "a generator": "(asyncio.NAME for asyncio in ())",
    "a class": "class asyncio: NAME = 1\nasyncio.NAME",
    "a function": "def asyncio(): pass\nasyncio.NAME",
    "another module": "def function():\n    import trio as asyncio\n    asyncio.NAME",
    "a class attribute": "class Class:\n    asyncio = 1\n    asyncio.NAME",
    "a pattern": "def function(it):\n  match it:\n    case asyncio: asyncio.NAME",
    "a pattern with a name": "def function(it):\n  match it:\n    case int() as asyncio: asyncio.NAME",
    "a star pattern": "def function(it):\n  match it:\n    case [*asyncio]: asyncio.NAME",
    "a mapping pattern": "def function(it):\n  match it:\n    case {**asyncio}: asyncio.NAME",
    "a global elsewhere": "def load():\n    global asyncio\n    asyncio = fake()\ndef use(): asyncio.NAME",
    "an import from a package of one's own": "def function():\n    from . import asyncio\n    asyncio.NAME",
    "a class's of its own": "class Class:\n    asyncio = fake()\nClass.asyncio.NAME",
    "an object's of another class": "class C:\n    aio = asyncio\nclass Other:\n    def method(self): self.aio.NAME",
    "an object's that is also something else": (
        "class Class:\n    aio = asyncio\n    def method(self, aio):\n        self.aio = aio\n        self.aio.NAME"
    ),
    "an object's that is a loop variable": (
        "class C:\n    aio = asyncio\n    def method(self):\n        for self.aio in (): pass\n        self.aio.NAME"
    ),
    "a static method's parameter": "class C:\n    aio = asyncio\n    @staticmethod\n    def f(self): self.aio.NAME",
    "another parameter": "class C:\n    aio = asyncio\n    def method(self, other): other.aio.NAME",
    "a parameter that is bound again": "class C:\n    aio = asyncio\n    def f(self): self = other(); self.aio.NAME",
    "a class that is bound again": "class C:\n    aio = asyncio\nC = other(C)\nC.aio.NAME",
    "a function's": "def function(): pass\nfunction.aio = asyncio\nfunction.aio.NAME",
    "a function's in a class": "class C:\n    aio = asyncio\n    def method(*self): self.aio.NAME",
    "an object's that is bound to itself": "class C:\n    def f(self): self.a = self.a; self.a.NAME",
    "another object's": "class C:\n    def f(self, other): other.a = asyncio; self.a.NAME",
    "a name that is bound to itself": "def function():\n    asyncio = asyncio\n    asyncio.NAME",
}


@pytest.mark.parametrize("way", SHADOWED)
def test_a_shadowed_name_is_not_mistaken_for_asyncio(way, found):
    program = "import asyncio\n" + SHADOWED[way].replace("NAME", "set_event_loop_policy")
    assert not found(program)
