"""docs/integrations.md and examples/integrations: every program in them runs, as root and as an ordinary user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.confined.landlock.harness import needs_landlock
from tests.unit.docs import api_places

PAGE = api_places.ROOT / "docs" / "integrations.md"
EXAMPLES = api_places.ROOT / "examples" / "integrations"
BLOCK = re.compile(r"^```python ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLUGIN = ("-m", "pytest", "-q", "-p", "pyopenshell.integrations.pytest_plugin", "-p", "no:cacheprovider")
SECONDS = 120
"""How long a program may take."""

pytestmark = [needs_landlock, pytest.mark.parametrize("who", api_places.WHO)]


def run(who, *arguments, files=()):
    """Run Python with arguments, in a folder with these files; return what it printed. It must end with 0."""
    with api_places.place(who) as place:
        place.options["env"] |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        for name, text in files:
            (place.workdir / name).write_text(text, encoding="utf-8")
        done = place.python(*arguments, timeout=SECONDS)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_the_page(who):
    """Its blocks do what they say: as scripts, and as tests that pytest runs."""
    kinds = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        kinds.append(kind)
        if kind == "pytest":
            assert "2 passed" in run(who, *PLUGIN, "test_page.py", files=[("test_page.py", text)])
        else:
            assert "" == run(who, "page.py", files=[("page.py", text)])
    assert ["", "script", "pytest"] == kinds


def test_a_shell_tool(who):
    """Each command has its own outcome, in the words of the standard library."""
    told = run(who, EXAMPLES / "shell_tool.py").splitlines()
    assert "echo 1 2 3 > numbers; wc -w < numbers: 3" == told[0]
    assert "cat /etc/shadow: exit status 1: cat: /etc/shadow: Permission denied" == told[1]
    assert "sleep 60: took too long" == told[2]


def test_scores(who):
    """One result, one exception, one crash, one denial and one that takes too long, each its own job's."""
    told = dict(line.split(": ", 1) for line in run(who, EXAMPLES / "score.py").splitlines())
    assert told["6 * 7"].startswith("42 ")
    assert "raised ZeroDivisionError: division by zero" == told["1 / 0"]
    assert "ended with exit status 1" in told["__import__('os')._exit(1)"]
    assert "raised PermissionError" in told["open('/etc/shadow').read()"]
    assert "took too long" == told["9 ** 9 ** 9 ** 9"]


def test_tests(who):
    """All tests of the example pass, each in its sandbox."""
    folder = ("--rootdir", str(EXAMPLES), "-c", "/dev/null")
    assert "4 passed" in run(who, *PLUGIN, *folder, EXAMPLES / "test_untrusted.py")


def test_a_notebook(who):
    """A cell's result, and two denials."""
    told = run(who, EXAMPLES / "notebook.py").splitlines()
    assert ["2", "PermissionError: [Errno 13] Permission denied: '/etc/shadow'"] == told[-3:-1]
    assert told[-1].startswith(("OSError: ", "PermissionError: "))


def test_every_example_is_run(who):
    """No program lies in the folder that no test here names."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert {example.name for example in EXAMPLES.glob("*.py")} == {*re.findall(r'EXAMPLES / "(\w+\.py)"', text)}
