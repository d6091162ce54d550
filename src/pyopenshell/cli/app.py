"""Every verb but ``run``: parse, import the one module that serves the verb, call it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pyopenshell
from pyopenshell.cli import output, run_options
from pyopenshell.errors import UsageError
from pyopenshell.policy.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyopenshell.cli.parser import Parser

USAGE = 2


def main(argv: Sequence[str]) -> int:
    """Serve one command line and return its exit code. Raises OpenShellError."""
    from pyopenshell.cli.parser import build

    output.prepare_streams()
    parser = build()
    _check_verbs(parser, argv)
    try:
        arguments, unknown = parser.parse_known_args(list(_explicit_gpus(argv)))
    except SystemExit as done:  # --help, the only way argparse still exits
        return int(done.code or 0)
    if unknown:
        raise _unknown_arguments(getattr(arguments, "parser", parser), unknown)
    if arguments.version:
        output.line(f"openshell {pyopenshell.__version__}")
        return 0
    if getattr(arguments, "handler", None) is None:
        getattr(arguments, "parser", parser).print_help(sys.stderr)
        return USAGE
    module, verb = arguments.handler.split(":")
    return int(import_module(f"pyopenshell.cli.{module}").VERBS[verb](arguments))


def _explicit_gpus(argv: Sequence[str]) -> Iterator[str]:
    """Write a bare ``--gpu`` as ``--gpu=1``: for argparse alone the path behind it would be its count."""
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        yield "--gpu=1" if word == "--gpu" and not run_options.is_count(following) else word


def _check_verbs(parser: Parser, words: Sequence[str]) -> None:
    """Raise UsageError for a verb that does not exist, naming the one that was meant."""
    for word in words:
        if not parser.verbs or word.startswith("-"):
            return
        if word not in parser.verbs:
            meant = nearest(word, parser.verbs) or _elsewhere(parser, word)
            hint = f"did you mean {parser.prog} {meant}?" if meant else f"{parser.prog} --help lists the verbs"
            raise UsageError(f"unknown verb: {parser.prog} {word}", hint=hint)
        parser = parser.verbs[word]


def _elsewhere(parser: Parser, word: str) -> str | None:
    """Return the spelling of a verb that exists in a group: ``openshell list`` means ``sandbox list``."""
    groups = sorted(parser.verbs, key=lambda name: name != "sandbox")  # what is meant nearly always
    return next((f"{name} {word}" for name in groups if word in parser.verbs[name].verbs), None)


def _unknown_arguments(parser: Parser, unknown: Sequence[str]) -> UsageError:
    known = [flag for flag in parser.flags if flag.startswith("--")]
    meant = nearest(unknown[0].partition("=")[0], known)
    verb = parser.prog.removeprefix("openshell ")
    return UsageError(
        f"{verb}: not understood: {' '.join(unknown)}",
        hint=f"did you mean {meant}?" if meant else parser.short_usage(),
    )
