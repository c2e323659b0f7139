from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ctxpolicy._check.files import python_files
from ctxpolicy._check.report import Problem

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")


def native(path: str) -> str:
    return path.replace("/", os.sep)


def walk(*paths: str) -> list[str]:
    """Return the files that a walk finds, and each problem as ``path: message``."""
    found = python_files(paths)
    return [f"{each.file}: {each.message}" if isinstance(each, Problem) else each for each in found]


def test_a_folder_gives_its_python_files_in_order_of_their_names(tree):
    put("top/b.py", "top/a/z.py", "top/a/y.pyw", "top/c.py", "top/a.py")
    expected = ["top/a/y.pyw", "top/a/z.py", "top/a.py", "top/b.py", "top/c.py"]
    assert walk("top") == [native(name) for name in expected]


def test_other_files_stubs_hidden_folders_caches_and_virtual_environments_are_left_out(tree):
    put("a.py", "a.pyi", "a.pyc", "a.txt", "apy", ".hidden/a.py", "__pycache__/a.py")
    put("env/pyvenv.cfg", "env/lib/a.py")
    assert walk(".") == [native("./a.py")]


def test_every_named_path_is_taken(tree):
    put("script", "a.pyi", ".hidden/a.py", "__pycache__/b.py", "env/pyvenv.cfg", "env/c.py")
    named = ["script", "a.pyi", ".hidden", "__pycache__", "env"]
    taken = [native(name) for name in (".hidden/a.py", "__pycache__/b.py", "env/c.py")]
    assert walk(*named) == ["script", "a.pyi", *taken]


def test_a_virtual_environment_inside_a_named_virtual_environment_is_left_out(tree):
    put("env/pyvenv.cfg", "env/a.py", "env/env/pyvenv.cfg", "env/env/b.py")
    assert walk("env") == [native("env/a.py")]


def test_a_folder_whose_name_ends_like_a_file_is_a_folder(tree):
    put("package.py/inner.py")
    assert walk("package.py") == [native("package.py/inner.py")]
    assert walk(".") == [native("./package.py/inner.py")]


def test_each_file_is_given_once(tree):
    put("top/a.py", "top/sub/b.py")
    first, second = native("top/a.py"), native("top/sub/b.py")
    assert walk(first, "top", "top", native("top/sub"), str(tree / "top" / "a.py")) == [first, second]


def test_an_empty_folder_gives_nothing(tree):
    assert walk(str(tree)) == []


@needs_links
def test_links_are_followed_and_a_file_that_is_reached_twice_is_given_once(tree):
    put("real/a.py", "top/b.py")
    Path("top/linked").symlink_to("../real")
    Path("top/z.py").symlink_to("../real/a.py")
    assert walk("top") == ["top/b.py", "top/linked/a.py"]


@needs_links
def test_a_link_to_a_folder_that_contains_it_is_a_problem_and_the_rest_is_walked(tree):
    put("top/sub/a.py", "top/z.py")
    Path("top/sub/loop").symlink_to("..")
    message = "is a symlink loop: it leads back to a folder that contains it"
    assert walk("top") == ["top/sub/a.py", f"top/sub/loop: {message}", "top/z.py"]


@needs_links
def test_links_that_lead_to_each_other_are_problems_and_the_rest_is_walked(tree):
    put("a.py")
    Path("one").symlink_to("two")
    Path("two").symlink_to("one")
    Path("self.py").symlink_to("self.py")
    first, *problems = walk(".")
    assert first == "./a.py"
    assert [problem.partition(": ")[0] for problem in problems] == ["./one", "./self.py", "./two"]
    assert all("cannot be read" in problem for problem in problems)


@needs_links
def test_a_link_to_nothing_is_a_problem(tree):
    Path("link.py").symlink_to("nowhere")
    Path("link.txt").symlink_to("nowhere")
    assert walk(".") == ["./link.py: is not a file, or is a link to nothing"]
    assert walk("link.py") == ["link.py: cannot be read: No such file or directory"]


@needs_links
def test_a_path_in_a_folder_that_is_neither_file_nor_folder_is_a_problem(tree):
    os.mkfifo("pipe.py")
    assert walk(".") == ["./pipe.py: is not a file, or is a link to nothing"]


def test_a_missing_path_is_a_problem(tree):
    assert [line.partition(":")[0] for line in walk("missing", "mis\0sing")] == ["missing", "mis\0sing"]


def test_an_unreadable_folder_is_a_problem_and_the_rest_is_walked(tree, monkeypatch):
    put("top/closed/a.py", "top/open/b.py")
    scandir = os.scandir

    def scan(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    closed, opened = native("top/closed"), native("top/open/b.py")
    assert walk("top") == [f"{closed}: cannot be read: Permission denied", opened]


def test_a_folder_that_is_gone_before_it_is_walked_is_a_problem(tree):
    put("top/a.py", "top/sub/b.py")
    found = python_files(["top"])
    assert next(found) == native("top/a.py")
    Path("top/sub/b.py").unlink()
    Path("top/sub").rmdir()
    (problem,) = found
    assert (problem.file, problem.message) == (
        native("top/sub"),
        "cannot be read: No such file or directory",
    )
