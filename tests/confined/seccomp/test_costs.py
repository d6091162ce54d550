"""What the filter costs people: programs that fail, as docs/syscall-filter.md quotes them; and code in memory."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.confined.landlock.harness import NOBODY

from pyopenshell.launch import trial

PAGE = Path(__file__).parents[3] / "docs" / "syscall-filter.md"
DENIED = "Operation not permitted"
PROGRAMS = [
    (("strace", "true"), "PTRACE_TRACEME: Operation not permitted"),
    (("gdb", "-batch", "-nx", "-ex", "run", "true"), "ptrace: Operation not permitted"),
    (("unshare", "-U", "true"), DENIED),
    (("bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"), "No permissions to create new namespace"),
]
LEAK = """
#include <stdlib.h>
int main(void) { void *volatile lost = malloc(7); lost = 0; return lost != 0; }
"""
LEAK_FAILS = "LeakSanitizer has encountered a fatal error"
IN_MEMORY = """
import os
code = os.memfd_create("code")
with open("/bin/sh", "rb") as shell:
    os.write(code, shell.read())
for file in (f"/proc/self/fd/{code}", code):
    if os.fork() == 0:
        os.execve(file, ["sh", "-c", "readlink /proc/$$/exe"], os.environ)
    os.wait()
"""


def needs(program):
    """Skip the test unless this program is installed; return its path."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs: {program}")
    return found


def said(*command, **settings):
    """Return a program's exit code and all it printed."""
    options = {"check": False, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 60}
    done = subprocess.run(command, **(options | settings))
    return done.returncode, done.stdout


@pytest.mark.parametrize(("command", "words"), PROGRAMS, ids=[command[0] for command, _ in PROGRAMS])
def test_programs_that_fail(behind_filter, command, words):
    """What works without the filter says, with it, what the page quotes."""
    path = needs(command[0])
    if words in said(path, *command[1:])[1]:
        pytest.skip(f"needs: {command[0]} that works without the filter")
    assert words in behind_filter(lambda: said(path, *command[1:])[1])
    assert words in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_the_leak_sanitizer_can_be_switched_off(behind_filter, tmp_path):
    """It traces the program it is in; with detect_leaks=0 everything else of AddressSanitizer works."""
    program, source = tmp_path / "leak", tmp_path / "leak.c"
    source.write_text(LEAK)
    if said(needs("gcc"), "-fsanitize=address", "-o", program, source)[0]:
        pytest.skip("needs: AddressSanitizer")
    assert "detected memory leaks" in said(program)[1]
    assert LEAK_FAILS in behind_filter(lambda: said(program)[1])
    without = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    assert (0, "") == behind_filter(lambda: said(program, env=without))
    assert LEAK_FAILS in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_code_in_memory_runs(openshell):
    """What the row for memfd_create reports: no rule of the sandbox is about a file without a path."""
    done = openshell("run", "--", "/usr/bin/python3", "-c", IN_MEMORY)
    assert (0, ["/memfd:code (deleted)"] * 2) == (done.returncode, done.stdout.splitlines())


def test_a_sandbox_inside_finds_no_namespaces(behind_filter):
    """The trial of a second ``openshell run`` is answered, so that it goes on without them."""

    def tried():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        return trial.namespaces().as_dict()

    found = behind_filter(tried, net_namespace=True)
    assert "user namespace: unshare: Operation not permitted" in found.pop("reason")
    assert not any(found.values())
