"""Using ctxpolicy as documented causes no warning, on any Python, with -W error."""

from __future__ import annotations

import pytest

from tests.support.programs import run_program

START = "import asyncio, ctxpolicy\nasync def main(): return await asyncio.sleep(0, 'done')\n"

PROGRAMS = {
    "install by name, as a block and by hand": """
for name in ("contextvar", "thread", "task", "process", "chain"):
    what = ctxpolicy.get_resolver("chain", resolvers="task+thread") if name == "chain" else name
    with ctxpolicy.install(what, missing="create"):
        asyncio.get_event_loop().run_until_complete(main())
        asyncio.run(main())
installation = ctxpolicy.install("thread", missing="error")
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
asyncio.set_event_loop(None)
loop.close()
installation.uninstall()
print(asyncio.run(main()))
""",
    "using, in tasks and threads": """
async def tenant(number):
    with ctxpolicy.using(ctxpolicy.KeyedResolver(lambda: number)):
        await asyncio.to_thread(lambda: None)
        return await main()
async def both(): return await asyncio.gather(tenant(1), tenant(2))
print(asyncio.run(both())[1])
with ctxpolicy.using("task"): asyncio.run(both())
""",
    "run and Runner": """
ctxpolicy.run(main(), resolver="task")
with ctxpolicy.Runner(resolver="contextvar", debug=False) as runner:
    runner.run(main())
    print(runner.run(main()))
""",
    "loops made for worker threads": """
from concurrent.futures import ThreadPoolExecutor
with ctxpolicy.install("thread", missing="create"), ThreadPoolExecutor(2) as workers:
    jobs = [workers.submit(lambda: asyncio.get_event_loop().run_until_complete(main())) for _ in range(20)]
    print(jobs[0].result())
""",
    "a policy that stays in force to the end of the program": """
ctxpolicy.install(missing="create")
print(asyncio.get_event_loop().run_until_complete(main()))
""",
    "names, and a policy of one's own": """
class Mine(ctxpolicy.ContextPolicy):
    def get_event_loop(self): return super().get_event_loop()
for name, registration in ctxpolicy.registered_resolvers().items(): registration.name, registration.version
with ctxpolicy.install(Mine("thread", missing="create", loop_factory="selector")):
    print(asyncio.get_event_loop().run_until_complete(main()))
""",
    "a child process": """
async def child():
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
    return await process.wait()
with ctxpolicy.install(): assert asyncio.run(child()) == 7
with ctxpolicy.using("task"): assert asyncio.run(child()) == 7
print(asyncio.run(main()))
""",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_no_warning_is_given_for(program):
    # run_program() fails on any output to stderr, where an exception in a finalizer or callback appears too.
    assert run_program(START + program) == "done"
