from __future__ import annotations

import pytest

from ctxpolicy._check import RULES
from ctxpolicy._check.asyncio_names import IN_ASYNCIO, IN_SUBMODULES, RemovedName, find_removed, find_star_removed

# Each program looks NAME up once.
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
def test_every_removed_name_that_a_star_import_binds_is_found(module, findings):
    for name in IN_ASYNCIO:
        (finding,) = findings(f"from {module} import *\nfrom socket import *\n{name}")
        gone = find_star_removed(name)
        assert (finding.code, finding.line, finding.fails) == (gone.code, 3, gone.fails)
        assert finding.message == f"{name} of `from asyncio import *` is gone in Python {gone.fails}"


def test_every_kind_of_use_of_every_name_is_found_in_one_file(findings):
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


def test_nothing_is_found_in_modern_code(findings):
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


def test_an_imported_name_is_found_at_the_import_and_not_at_each_use(found):
    program = "from asyncio import set_event_loop_policy as set_policy\nset_policy(None)\nother = set_policy"
    assert found(program) == [("CTX101", 1)]


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


def test_a_policy_that_does_not_come_from_asyncio_may_have_a_child_watcher(found):
    assert not found("import asyncio\nmy_policy().get_child_watcher()\nself.policy.set_child_watcher(None)")


def test_the_tables_cover_every_rule_about_names():
    assert {gone.code for gone in IN_SUBMODULES.values()} == {code for code in RULES if code < "CTX300"}
