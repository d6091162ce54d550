"""Every verb but ``run``: parse, import the one module that serves the verb, call it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pyopenshell
from pyopenshell.cli import output, run_options
from pyopenshell.errors import CommandError, OpenShellError, UsageError
from pyopenshell.policy.problems import nearest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pyopenshell.cli.parsing import Parser

USAGE = 2
OURS = 125
"""Where a program's exit code is passed on, that of every failure which is not the program's own, as ``run``'s."""
PASSING_ON = ("openshell sandbox exec", "openshell sandbox connect")


def main(argv: Sequence[str]) -> int:
    """Serve one command line and return its exit code. Raises OpenShellError."""
    from pyopenshell.cli.parser import build

    output.prepare_streams()
    parser = build()
    leaf = _leaf(parser, argv)
    try:
        return _serve(parser, leaf, list(argv))
    except OpenShellError as problem:
        if leaf.prog in PASSING_ON and not isinstance(problem, CommandError):
            problem.exit_code = OURS
        raise


def _serve(parser: Parser, leaf: Parser, argv: list[str]) -> int:
    if leaf.prog == "openshell run" and not {"-h", "--help"} & set(argv):
        raise UsageError(
            "run works on this machine, without a gateway: it comes first", hint="openshell run [OPTION]... COMMAND"
        )
    at = argv.index("--") if leaf.takes_command and "--" in argv else len(argv)
    try:
        arguments, unknown = parser.parse_known_args(list(_explicit_gpus(argv[:at])))
    except SystemExit as done:  # --help, the only way argparse still exits
        return int(done.code or 0)
    if unknown:
        raise _unknown_arguments(leaf, unknown)
    if arguments.version:
        output.line(f"openshell {pyopenshell.__version__}")
        return 0
    if getattr(arguments, "handler", None) is None:
        leaf.print_help(sys.stderr)
        return USAGE
    if at < len(argv):
        _take_command(arguments, argv[at + 1 :])
    module, verb = arguments.handler.split(":")
    return int(import_module(f"pyopenshell.cli.{module}").VERBS[verb](arguments))


def _take_command(arguments: argparse.Namespace, words: list[str]) -> None:
    """Keep what stands behind ``--`` as it is: no option of ours is looked for in it."""
    verb = arguments.parser.prog.removeprefix("openshell ")
    if arguments.command:
        raise UsageError(
            f"{verb}: not understood before --: {' '.join(arguments.command)}", hint=arguments.parser.short_usage()
        )
    if not words:
        raise UsageError(f"{verb}: no command stands behind --", hint=arguments.parser.short_usage())
    arguments.command = words


def _explicit_gpus(argv: Sequence[str]) -> Iterator[str]:
    """Write a bare ``--gpu`` as ``--gpu=1``: for argparse alone the path behind it would be its count."""
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        yield "--gpu=1" if word == "--gpu" and not run_options.is_count(following) else word


def _leaf(parser: Parser, words: Sequence[str]) -> Parser:
    """Return the parser of the verb that is meant. Raises UsageError for one that does not exist, naming the nearest.

    Options before a verb are those of the command itself.
    """
    words, at = list(words), 0
    while parser.verbs and at < len(words):
        word = words[at]
        at += 1
        if word in ("-g", "--gateway", "--gateway-endpoint", "--workspace"):
            at += 1
        elif not word.startswith("-"):
            if word not in parser.verbs:
                raise _unknown_verb(parser, word)
            parser = parser.verbs[word]
    return parser


def _unknown_verb(parser: Parser, word: str) -> UsageError:
    meant = nearest(word, parser.verbs) or _elsewhere(parser, word)
    hint = f"did you mean {parser.prog} {meant}?" if meant else f"{parser.prog} --help lists the verbs"
    return UsageError(f"unknown verb: {parser.prog} {word}", hint=hint)


def _elsewhere(parser: Parser, word: str) -> str | None:
    """Return the spelling of a verb that exists in a group: ``openshell list`` means ``sandbox list``."""
    groups = sorted(parser.verbs, key=lambda name: name != "sandbox")  # what is meant nearly always
    return next((f"{name} {word}" for name in groups if word in parser.verbs[name].verbs), None)


def _unknown_arguments(parser: Parser, unknown: Sequence[str]) -> UsageError:
    known = [flag for flag in parser.flags if flag.startswith("--")]
    meant = nearest(unknown[0].partition("=")[0], known)
    verb = parser.prog.removeprefix("openshell ")
    hint = f"did you mean {meant}?" if meant else parser.short_usage()
    if parser.takes_command and not meant:
        hint = "write -- before the command"
    return UsageError(f"{verb}: not understood: {' '.join(unknown)}", hint=hint)
