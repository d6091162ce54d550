"""The parser's own kind: mistakes are UsageErrors, verbs and flags can be listed, options of several verbs are here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from pyopenshell.cli import run_options
from pyopenshell.errors import UsageError

if TYPE_CHECKING:
    from typing import TypeAlias

    Group: TypeAlias = "argparse._SubParsersAction[Parser]"

FORMATS = ("table", "json", "yaml")
GLOBALS = ("--gateway", "-g", "--gateway-endpoint", "--gateway-insecure", "--workspace")
"""What every verb that can speak to a gateway takes, and the command itself before the verb."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose mistakes are UsageErrors, and which can list its own verbs and flags.

    ``takes_command`` is set for verbs that run one: what stands behind ``--`` is theirs as it is.
    """

    def __init__(self, **options: Any) -> None:
        """Switch abbreviations off: a new option must never change what an old command line means."""
        self.verbs: dict[str, Parser] = {}
        self.flags: list[str] = []
        self.takes_command = False
        super().__init__(**options, allow_abbrev=False)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Add an argument and keep its spellings."""
        self.flags.extend(name for name in names if isinstance(name, str) and name.startswith("-"))
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        """Raise the mistake instead of exiting."""
        raise UsageError(f"{self.prog.removeprefix('openshell ')}: {message}", hint=self.short_usage())

    def short_usage(self) -> str:
        """Return the usage as one line."""
        return " ".join(self.format_usage().split())


def group(parser: Parser) -> Group:
    """Return what the verbs of a parser are added to."""
    return parser.add_subparsers(title="verbs", metavar="VERB")


def verb(verbs: Group, parent: Parser, name: str, handler: str | None, summary: str, **more: Any) -> Parser:
    """Add a verb; ``handler`` is ``module:verb``, or None for a group."""
    more.setdefault("description", f"{summary[0].upper()}{summary[1:]}.")
    added = verbs.add_parser(name, help=summary, **more)
    added.set_defaults(handler=handler, parser=added)
    parent.verbs[name] = added
    return added


def remote(parser: Parser, *, default: Any = argparse.SUPPRESS) -> None:
    """Add what says which gateway is spoken to. Given before the verb it counts too, unless it is given again."""
    options = parser.add_argument_group("gateway")
    parser.flags += GLOBALS
    options.add_argument(
        "--gateway", "-g", metavar="NAME", default=default, help="the gateway of this name (the active one)"
    )
    options.add_argument("--gateway-endpoint", metavar="URL", default=default, help="the gateway at this address")
    options.add_argument(
        "--gateway-insecure", action="store_true", default=default, help="do not check who the gateway is"
    )
    options.add_argument("--workspace", metavar="NAME", default=default, help="the workspace (default)")


def output(parser: Parser) -> None:
    """Add ``-o``."""
    parser.add_argument("-o", "--output", choices=FORMATS, default="table", help="how to print (table)")


def sandbox_name(parser: Parser, *, optional: bool = False) -> None:
    """Add the name of a sandbox; where it is ``optional``, the last one that was created or connected to counts."""
    if optional:
        parser.add_argument("name", metavar="NAME", nargs="?", help="the sandbox's name, or a run's id (the last used)")
    else:
        parser.add_argument("name", metavar="NAME", help="the sandbox's name, or a run's id")


def tail(parser: Parser) -> None:
    """Add the command that a verb runs."""
    parser.takes_command = True
    parser.add_argument(
        "command", metavar="COMMAND", nargs="*", help="the command and its arguments; -- stands before them"
    )


def cdi_folders(parser: Parser) -> None:
    """Add ``--cdi-spec-dir``."""
    parser.add_argument(
        "--cdi-spec-dir",
        metavar="DIR",
        dest="cdi_spec_dirs",
        action="append",
        default=[],
        help="look for CDI specs here instead; where two name a device, the last folder decides; repeatable",
    )


def count(text: str) -> int:
    """Return a number from 0."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"not a number from 0: {text!r}")
    return int(text)


def seconds(text: str) -> int:
    """Return a whole number of seconds, from 1."""
    if not count(text):
        raise argparse.ArgumentTypeError("it takes at least 1 second")
    return int(text)


def port(text: str) -> int:
    """Return a TCP port; 0 lets the system choose."""
    if count(text) > 65535:
        raise argparse.ArgumentTypeError(f"not a port: {text!r}")
    return int(text)


def gpus(text: str) -> int:
    """Return a count of GPUs, or what stands for all."""
    return run_options.ALL_GPUS if text == "all" else count(text)


def pair(text: str) -> tuple[str, str]:
    """Return ``KEY=VALUE`` as two."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise argparse.ArgumentTypeError(f"not KEY=VALUE: {text!r}")
    return key, value
