"""Write the golden outputs of the command, and the shells' completions: ``python -m tests.unit.cli.regenerate``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tests.unit.cli import cases

from pyopenshell.cli.completion import FOLDER
from pyopenshell.cli.parser import build
from pyopenshell.cli.verbs_local import SHELLS

HEAD = "# Generated from src/pyopenshell/cli/parser.py by: python -m tests.unit.cli.regenerate"


def completions(shell: str) -> str:
    """Return the completions of the whole command for a shell, as shtab makes them."""
    import shtab

    parser = build()
    for verb in (parser, *every_verb(parser)):
        for action in verb._actions:
            files = ("FILE", "PATH", "PATH[:DEST]", "COMMAND", "A", "B")
            kind = {**dict.fromkeys(files, shtab.FILE), "DIR": shtab.DIRECTORY}.get(str(action.metavar))
            if kind and not isinstance(action, argparse._SubParsersAction):
                action.complete = kind
    lines = shtab.complete(parser, shell).splitlines()
    # zsh wants #compdef in the first line.
    at = 1 if lines[0].startswith("#compdef") else 0
    return "\n".join([*lines[:at], HEAD, *(line.rstrip() for line in lines[at:])]) + "\n"


def every_verb(parser):
    """Yield the parsers of all verbs, at any depth."""
    for verb in parser.verbs.values():
        yield verb
        yield from every_verb(verb)


def main() -> None:
    """Write everything."""
    os.chdir(Path(__file__).parents[3])
    for shell in SHELLS:
        (FOLDER / f"openshell.{shell}").write_text(completions(shell), encoding="utf-8")
    cases.write_golden()


if __name__ == "__main__":
    main()
