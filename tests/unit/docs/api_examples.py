"""A program that runs the examples of docs/api.md, of README.md and of public names' docstrings, in the current folder.

``python -m tests.unit.docs.api_examples page`` (or ``docstrings``) prints what failed as JSON: names with what came of
them, and how many there were. It is a process of its own, so that the zygote is that of a user's program, and so that
root can start it as somebody else.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.unit.docs import api_listing

SECTION = re.compile(r"^(#{2,4} .+)\n((?:(?!^#{2,4} ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
README = api_listing.PAGE.parents[1] / "README.md"
PLUGIN = "pyopenshell.integrations.pytest_plugin"


class Examples:
    """The examples that were run, and what failed."""

    def __init__(self) -> None:
        self.count = 0
        self.failures: list[tuple[str, str]] = []

    def session(self, test: doctest.DocTest) -> None:
        """Run a session with ``>>>``."""
        said = io.StringIO()
        self.count += 1
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        if runner.run(test, out=said.write).failed:
            self.failures.append((test.name, said.getvalue()))

    def program(self, name: str, source: str, expected: str | None) -> None:
        """Run a whole program, and compare what it prints, where the page says that."""
        said = io.StringIO()
        self.count += 1
        try:
            with contextlib.redirect_stdout(said):
                exec(compile(source, f"<{name}>", "exec"), {"__name__": "__main__"})
        except BaseException:
            self.failures.append((name, traceback.format_exc()))
        else:
            if expected not in (None, said.getvalue()):
                self.failures.append((name, f"expected:\n{expected}\nprinted:\n{said.getvalue()}"))

    def script(self, name: str, source: str) -> None:
        """Run shell commands, of which each must succeed."""
        self.count += 1
        path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", source], env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        if done.returncode != 0:
            self.failures.append((name, done.stdout + done.stderr))


def page(examples: Examples) -> None:
    """Run those of the page and of the README. A block with a file's name is written to that file."""
    text = api_listing.PAGE.read_text(encoding="utf-8") + README.read_text(encoding="utf-8")
    for heading, section in SECTION.findall(text):
        blocks = BLOCK.findall(section)
        for index, (language, mark, body) in enumerate(blocks):
            if mark and mark != "signature":
                Path(mark).write_text(body, encoding="utf-8")
            elif language == "sh":
                examples.script(heading, body)
            elif language == "python" and body.startswith(">>>"):
                examples.session(doctest.DocTestParser().get_doctest(body, {}, heading, "api.md", 0))
            elif language == "python" and not mark:
                printed = blocks[index + 1] if index + 1 < len(blocks) else ("", "", "")
                examples.program(heading, body, printed[2] if printed[0] == "text" else None)


def docstrings(examples: Examples) -> None:
    """Run those of every public name and of its methods, and of the public modules themselves."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: dict[str, doctest.DocTest] = {}
    for name in api_listing.modules():
        module = importlib.import_module(name)
        for value in (module, *(getattr(module, one) for one in api_listing.names(name))):
            found |= {test.name: test for test in _tests(finder, value) if test.examples}
    for test in found.values():
        examples.session(test)


def _tests(finder: doctest.DocTestFinder, value: Any) -> list[doctest.DocTest]:
    name = getattr(value, "__name__", "")
    home = sys.modules.get(getattr(value, "__module__", name))
    if home is None or not home.__name__.startswith("pyopenshell"):
        return []
    if value is home:
        return finder.find(value.__doc__ or "", name, module=False, globs=dict(vars(home)))
    return finder.find(value, f"{home.__name__}.{name}", module=home)


def main() -> int:
    """Run what is asked for, print what failed."""
    # A checkout that is not installed has no entry points, by which pytest finds the plugin.
    if not any(point.value == PLUGIN for point in importlib.metadata.entry_points(group="pytest11")):
        os.environ["PYTEST_PLUGINS"] = PLUGIN
    examples = Examples()
    {"page": page, "docstrings": docstrings}[sys.argv[1]](examples)
    print(json.dumps({"count": examples.count, "failures": examples.failures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
