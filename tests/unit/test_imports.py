"""The cold path: what a whole ``openshell run`` imports, children included, is held against a list.

A start must cost at most five times a bare interpreter's. One careless import of ``re`` or ``dataclasses`` is a tenth
of that budget; a new name here is a decision.
"""

import os
import subprocess
import sys

import pytest

import pyopenshell

STANDARD = {
    "ctypes",
    "errno",
    "fcntl",
    "gc",
    "grp",
    "marshal",
    "math",
    "os",
    "pwd",
    "resource",
    "select",
    "stat",
    "sys",
    "termios",
    "time",
    "_ctypes",
    "_json",
    "_sha2",
    "_sha256",
    "_socket",
}
"""Modules of the standard library that the cold path may import, with what is below them."""
CONSEQUENCES = {"__future__", "struct", "_struct", "types"}
"""What those import themselves."""
OWN = {
    "audit",
    "baseline",
    "chronicle",
    "devices",
    "effective",
    "errors",
    "kernel",
    "landlock",
    "launch",
    "planning",
    "policy",
    "record",
    "runs",
    "sandbox",
    "seccomp",
    "state",
    "__main__",
}
"""Our packages on the cold path; of ``cli`` only what ``run`` needs."""
OWN_CLI = {"cli", "cli.run", "cli.run_options"}
POLICY = """\
version: 1
filesystem_policy:
  include_workdir: true
  read_only: [/opt]
"""
RUN = """\
import sys
sys.path.insert(0, {source!r})
from pyopenshell.__main__ import main
sys.exit(main({arguments!r}))
"""


def imports(code, **options):
    """Return the names of all modules a new interpreter and its forks import for this code, and its outcome."""
    result = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, **options)
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}, result


@pytest.fixture(scope="module")
def bare():
    """What an interpreter imports for nothing at all."""
    return imports("pass")[0]


@pytest.fixture(scope="module")
def parser():
    """What the YAML parser imports, which is dear: the reason why the built-in policy needs none."""
    return imports("import yaml")[0]


def not_allowed(names):
    """Return the names that are on no list, in order."""
    wrong = set()
    for name in names:
        top, _, rest = name.partition(".")
        if top == "pyopenshell":
            allowed = not rest or rest.partition(".")[0] in OWN or rest in OWN_CLI
        else:
            allowed = top in STANDARD | CONSEQUENCES
        if not allowed:
            wrong.add(name)
    return sorted(wrong)


def run(*arguments, **options):
    """Start ``openshell run`` with these arguments and return what it imported and what came of it."""
    source = os.path.dirname(os.path.dirname(os.path.abspath(pyopenshell.__file__)))
    return imports(RUN.format(source=source, arguments=["run", *map(str, arguments)]), **options)


def test_a_run_imports_only_what_is_listed(bare, workdir):
    """A real launch of /bin/true with the built-in policy, which is parsed when the package is made."""
    names, result = run("--", "/bin/true", cwd=workdir)
    assert 0 == result.returncode, result.stderr
    assert "pyopenshell.launch.child" in names  # the list is that of a launch, not of an early end
    assert [] == not_allowed(names - bare)


def test_a_run_with_a_file_imports_the_parser_besides(bare, parser, tmp_path, workdir):
    """A real launch of /bin/true with a policy file: YAML's parser, what that imports, and nothing more."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    names, result = run("--policy", tmp_path / "policy.yaml", "--", "/bin/true", cwd=workdir)
    assert 0 == result.returncode, result.stderr
    assert [] == not_allowed(names - bare - parser)


def test_importing_the_package_imports_nothing_else(bare):
    """``import pyopenshell`` is free: its names are imported when first used."""
    source = os.path.dirname(os.path.dirname(os.path.abspath(pyopenshell.__file__)))
    names, result = imports(f"import sys; sys.path.insert(0, {source!r}); import pyopenshell")
    assert 0 == result.returncode, result.stderr
    assert {"__future__", "pyopenshell"} == names - bare
