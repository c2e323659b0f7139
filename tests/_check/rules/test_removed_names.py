from __future__ import annotations

import sys

import pytest

from ctxpolicy._check import RULES
from ctxpolicy._check.asyncio_names import IN_ASYNCIO, IN_SUBMODULES, RemovedName, find_removed, find_star_removed

# Each way takes NAME once.
IN_THE_PACKAGE = {
    "an attribute": "import asyncio\nasyncio.NAME",
    "an alias": "import asyncio as aio\naio.NAME",
    "an assigned alias": "import asyncio\nmodule = asyncio\nmodule.NAME",
    "an assigned alias of an alias": "import asyncio\none = asyncio\ntwo: object = one\ntwo.NAME",
    "an alias among others": "import asyncio\nother, [module, _] = 1, (asyncio, 2)\nmodule.NAME",
    "an alias bound on the way": "import asyncio\nif (module := asyncio):\n    module.NAME",
    "a from import": "from asyncio import NAME",
    "a from import under another name": "from asyncio import (\n    run,\n    NAME as other)",
    "an import that may be missing": "try:\n    import asyncio\nexcept ImportError:\n    asyncio = None\nasyncio.NAME",
    "a subclass": "import asyncio\nclass Sub(asyncio.NAME): pass",
    "a subclass through an alias": "import asyncio as aio\nclass Sub(object, aio.NAME, metaclass=type): pass",
    "getattr": "import asyncio\ngetattr(asyncio, 'NAME')()",
    "getattr of an alias": "import asyncio as aio\nvalue = getattr(aio, 'NAME')",
    "import_module": "import importlib\nimportlib.import_module('asyncio').NAME",
    "import_module, from imported": "from importlib import import_module as load\nload('asyncio').NAME",
    "__import__": "module = __import__('asyncio')\nmodule.NAME",
    "either of two modules": "import asyncio, trio\nmodule = asyncio if trio else asyncio\nmodule.NAME",
    "a module or another": "import asyncio\nmodule = None or asyncio\nmodule.NAME",
    "a function": "import asyncio\ndef function():\n    return asyncio.NAME",
    "a coroutine": "import asyncio\nasync def function():\n    return asyncio.NAME",
    "an import in a function": "def function():\n    import asyncio as aio\n    return aio.NAME",
    "an import by a function for all": "def load():\n    global aio\n    import asyncio as aio\ndef use(): aio.NAME",
    "an import by a function for the outer one": (
        "def outer():\n  aio = None\n  def load():\n    nonlocal aio\n    import asyncio as aio\n  aio.NAME"
    ),
    "a method": "import asyncio\nclass Class:\n    asyncio = 1\n    def method(self): asyncio.NAME",
    "a class body": "class Class:\n    import asyncio\n    policy = asyncio.NAME",
    "a class's": "import asyncio\nclass Class:\n    aio = asyncio\nClass.aio.NAME",
    "its own class's": "import asyncio\nclass Class:\n    aio = asyncio\n    def method(self): self.aio.NAME",
    "its own class's, in a class method": (
        "class Class:\n    import asyncio as aio\n    @classmethod\n    def method(cls): return cls.aio.NAME"
    ),
    "its own object's": "import asyncio\nclass C:\n  def __init__(self): self.a = asyncio\n  def f(self): self.a.NAME",
    "its own object's, that is set late": (
        "import asyncio\nclass Class:\n    a = None\n    def method(this):\n"
        "        def inner(): this.a = asyncio\n        return [this.a.NAME for each in ()]"
    ),
    "its own object's, bound with others": (
        "import asyncio\nclass Class:\n    def method(self):\n        self.a, self.b = asyncio, 1\n        self.a.NAME"
    ),
    "a comprehension": "import asyncio\n[asyncio.NAME for one in () for two in one if two]",
    "a dict comprehension": "import asyncio\n{key: asyncio.NAME for key in ()}",
    "a default": "import asyncio\ndef function(asyncio=asyncio.NAME): pass",
    "a keyword default": "import asyncio\nlambda *, asyncio=asyncio.NAME: None",
    "a decorator": "import asyncio\n@asyncio.NAME\ndef function(): pass",
    "a deletion": "import asyncio\ndel asyncio.NAME",
    "before the module is deleted": "import asyncio\ndel asyncio; asyncio.NAME",
    "an f-string": "import asyncio\nf'{asyncio.NAME!r:>{1}}'",
    "a match": "import asyncio\nmatch asyncio.NAME:\n  case [*_]: pass",
    "a dotted pattern": "import asyncio\nmatch 1:\n  case asyncio.NAME: pass",
    "a pattern of a class": "import asyncio\nmatch 1:\n  case Class(one, two=asyncio.NAME): pass",
    "an except clause": "import asyncio\ntry: pass\nexcept asyncio.NAME as error: pass",
    "the else of a try": "import asyncio\ntry: pass\nexcept AttributeError: pass\nelse: asyncio.NAME",
    "the end of a try": "import asyncio\ntry: pass\nfinally: asyncio.NAME",
    "a with": "import asyncio\nwith asyncio.NAME: pass",
    "a for": "import asyncio\nfor each in asyncio.NAME: pass",
    "a while": "import asyncio\nwhile asyncio.NAME: pass",
}

IN_A_SUBMODULE = {
    "its full path": "import asyncio\nasyncio.events.NAME",
    "its imported path": "import asyncio.events\nasyncio.events.NAME",
    "an alias": "import asyncio.events as ev\nev.NAME",
    "an imported alias": "from asyncio import events as ev\nev.NAME",
    "a from import": "from asyncio.events import NAME",
    "a path through another": "import asyncio.tasks\nasyncio.tasks.events.NAME",
    "a subclass": "from asyncio import unix_events\nclass Sub(unix_events.NAME): pass",
    "getattr": "import asyncio\ngetattr(asyncio.windows_events, 'NAME')",
    "getattr all the way": "import asyncio\ngetattr(getattr(asyncio, 'events'), 'NAME')",
    "import_module": "import importlib\nimportlib.import_module('asyncio.events').NAME",
    "__import__": "__import__('asyncio.events').events.NAME",
}


def the_one(findings, program: str, name: str, gone: RemovedName) -> None:
    line = program.partition("NAME")[0].count("\n") + 1
    (finding,) = findings(program.replace("NAME", name))
    assert (finding.code, finding.line) == (gone.code, line)
    assert (finding.warns, finding.fails, finding.replacement) == (gone.warns, gone.fails, gone.replacement)
    assert f"{name} is gone in Python {gone.fails}" in finding.message
    assert finding.certainty == "certain"


@pytest.mark.parametrize("way", IN_THE_PACKAGE)
def test_every_removed_name_is_found_however_it_is_taken_from_the_package(way, findings):
    for name in IN_ASYNCIO:
        the_one(findings, IN_THE_PACKAGE[way], name, find_removed(f"asyncio.{name}"))


@pytest.mark.parametrize("way", IN_A_SUBMODULE)
def test_every_removed_name_is_found_however_it_is_taken_from_a_submodule(way, findings):
    for name in IN_SUBMODULES:
        the_one(findings, IN_A_SUBMODULE[way], name, find_removed(f"asyncio.events.{name}"))


@pytest.mark.parametrize("module", ["asyncio", "asyncio.events"])
def test_every_removed_name_is_found_where_a_star_import_gives_it(module, findings):
    for name in IN_ASYNCIO:
        (finding,) = findings(f"from {module} import *\nfrom socket import *\n{name}")
        gone = find_star_removed(name)
        assert (finding.code, finding.line, finding.fails) == (gone.code, 3, gone.fails)
        assert finding.message == f"{name} of `from asyncio import *` is gone in Python {gone.fails}"


def test_every_way_of_every_name_is_found_in_one_file(findings):
    names = [name for name in IN_ASYNCIO if name.endswith("Policy")]
    program = "".join(
        f"def function_{number}():\n    from asyncio import {name}\n    class Sub(asyncio.{name}): pass\n"
        f"    return aio.events.{name}, getattr(asyncio, '{name}')\n"
        for number, name in enumerate(names)
    )
    found = findings(f"import asyncio\nimport asyncio as aio\n{program}")
    assert [finding.line for finding in found] == [
        3 + 4 * number + line for number in range(len(names)) for line in (1, 2, 3, 3)
    ]


def test_a_finding_points_at_the_name_in_characters(findings):
    (finding,) = findings("import asyncio\nx = 'äöü€𝄞', asyncio.get_event_loop_policy()\n")
    assert (finding.line, finding.column) == (2, len("x = 'äöü€𝄞', ") + 1)


def test_nothing_is_found_in_code_of_today(findings):
    assert not findings("""
        import asyncio
        from asyncio import Runner, get_running_loop, run

        class Worker:
            def __init__(self):
                self.queue = asyncio.Queue()
                self.lock = asyncio.Lock()

            async def work(self, loop=None):
                loop = asyncio.get_running_loop()
                get_running_loop().call_soon(print)
                await asyncio.sleep(1)
                await loop.run_in_executor(None, self.block)
                await asyncio.wait_for(asyncio.ensure_future(self.work(), loop=loop), 1)

            def block(self):
                asyncio.run(self.work())

        def main():
            with Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(Worker().work())
            with asyncio.Runner() as runner:
                runner.get_loop()
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.run_until_complete(Worker().work())

        run(Worker().work())
        asyncio.run(Worker().work(), debug=True)
    """)


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
def test_a_name_that_is_shadowed_is_not_taken_for_asyncio(way, found):
    program = "import asyncio\n" + SHADOWED[way].replace("NAME", "set_event_loop_policy")
    assert not found(program)


@pytest.mark.parametrize(
    "program",
    [
        "from .asyncio import set_event_loop_policy",
        "from . import set_event_loop_policy",
        "from uvloop import set_event_loop_policy",
        "import asyncio\nasyncio.set_event_loop_policy = print",
        "import asyncio\nself.asyncio.set_event_loop_policy()",
        "import asyncio\n# asyncio.set_event_loop_policy()",
        "import asyncio\n'asyncio.set_event_loop_policy()'",
        "import asyncio\nasyncio.Thing.set_event_loop_policy()",
        "import asyncio\nset_event_loop_policy()",
        "from asyncio import *\nset_event_loop_policy = print\nset_event_loop_policy()",
        "from asyncio import *\n_UnixDefaultEventLoopPolicy",
        "from asyncio import run\nset_event_loop_policy",
        "import asyncio\ngetattr(asyncio, name)\ngetattr(asyncio)\ngetattr(asyncio, 1)",
        "import asyncio\nobject.getattr(asyncio, 'set_event_loop_policy')",
        "import asyncio\ndef getattr(*_): pass\ngetattr(asyncio, 'set_event_loop_policy')",
        "import asyncio\ngetattr(trio(), 'set_event_loop_policy')",
        "import asyncio, importlib\nimportlib.import_module(name).set_event_loop_policy",
        "import asyncio\nglobal_name.set_event_loop_policy",
        "def function():\n    global asyncio\n    asyncio.set_event_loop_policy()",
        "def function():\n    nonlocal aio\n    import asyncio as aio\n    aio.set_event_loop_policy()",
        "import asyncio\ndef function(): return asyncio\nfunction().set_event_loop_policy()",
    ],
)
def test_what_is_not_asyncios_is_not_found(program, found):
    assert not found(program)


def test_what_is_imported_is_found_at_the_import_and_not_at_each_use(found):
    program = "from asyncio import set_event_loop_policy as set_policy\nset_policy(None)\nother = set_policy"
    assert found(program) == [("CTX101", 1)]


def test_a_name_that_may_come_from_another_module_is_likely(findings):
    (finding,) = findings(
        "try: import trollius as asyncio\nexcept ImportError: import asyncio\nasyncio.get_child_watcher"
    )
    assert finding.certainty == "likely"


@pytest.mark.parametrize(
    "program",
    [
        "def function(policy: asyncio.AbstractEventLoopPolicy): pass",
        "def function(*policies: asyncio.AbstractEventLoopPolicy): pass",
        "async def function() -> asyncio.AbstractEventLoopPolicy | None: pass",
        "policy: asyncio.AbstractEventLoopPolicy",
        "class Class:\n    policy: list[asyncio.AbstractEventLoopPolicy] = []",
    ],
)
def test_an_annotation_only_possibly_fails_as_it_is_evaluated_only_when_asked_for(program, findings):
    (finding,) = findings(f"import asyncio\n{program}")
    assert (finding.code, finding.certainty) == ("CTX102", "possible")


def test_an_annotation_of_a_star_imported_name_only_possibly_fails(findings):
    (finding,) = findings("from asyncio import *\ndef function() -> DefaultEventLoopPolicy: pass")
    assert finding.certainty == "possible"


def test_annotations_in_functions_are_never_evaluated(found):
    assert not found("import asyncio\ndef function():\n    policy: asyncio.AbstractEventLoopPolicy = None")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="reads the syntax of Python 3.12")
def test_a_bound_of_a_type_parameter_is_an_annotation(findings):
    program = "import asyncio\ndef function[P: asyncio.AbstractEventLoopPolicy](policy: P): pass"
    assert [finding.certainty for finding in findings(program)] == ["possible"]
    program = "import asyncio\nclass Class[P: asyncio.AbstractEventLoopPolicy]: pass"
    assert [finding.certainty for finding in findings(program)] == ["possible"]


@pytest.mark.parametrize(
    "program",
    [
        "import asyncio\nasyncio.get_event_loop_policy().get_child_watcher()",
        "import asyncio\npolicy = asyncio.get_event_loop_policy()\npolicy.get_child_watcher()",
        "import asyncio\nasyncio.DefaultEventLoopPolicy().get_child_watcher()",
    ],
)
def test_the_child_watcher_of_a_policy_is_found(program, findings):
    policy, watcher = sorted(findings(program), key=lambda finding: finding.code)
    assert (policy.code, watcher.code) in {("CTX101", "CTX201"), ("CTX102", "CTX201")}
    assert watcher.message == "a policy's get_child_watcher is gone in Python 3.14"


def test_a_policy_of_ones_own_may_have_a_child_watcher(found):
    assert not found("import asyncio\nmy_policy().get_child_watcher()\nself.policy.set_child_watcher(None)")


def test_every_rule_of_names_is_covered_by_the_tables():
    assert {gone.code for gone in IN_SUBMODULES.values()} == {code for code in RULES if code < "CTX300"}


def test_long_chains_of_calls_are_read(found):
    chain = "query" + ".where()" * 900
    assert found(f"import asyncio\n{chain}\nasyncio.get_child_watcher()") == [("CTX201", 3)]
