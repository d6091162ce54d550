"""The options of ``openshell run`` as a table, and the parser that reads them without argparse.

argparse alone costs as much as a whole interpreter start, so ``run`` parses its own options. The same table feeds
the help text, the shell completions and the test that holds docs/cli.md against both.
"""

from __future__ import annotations

from pyopenshell.errors import UsageError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

ALL_GPUS = -1
"""The value of ``--gpu all``."""

USAGE = "openshell run [OPTION]... [--] COMMAND [ARGUMENT]..."
HINT = "openshell run --help lists the options"


class Option(Record):
    """One option: its spellings, where its value goes, what it takes, and a sentence for the help.

    ``kind``: ``value`` (one value, given once), ``append`` (one value, any number of times), ``flag``, and ``gpu``
    (an optional count, read from the next argument only when that is a number or ``all``).
    """

    flags: tuple[str, ...]
    dest: str
    kind: str
    metavar: str | None
    help: str
    choices: tuple[str, ...] = ()


OPTIONS: tuple[Option, ...] = (
    Option(("--policy", "-p"), "policy", "value", "FILE", "the policy (without it: the built-in default policy)"),
    Option(("--name", "-n"), "name", "value", "NAME", "the sandbox's name (without it: one is chosen)"),
    Option(("--gpu",), "gpu", "gpu", "COUNT", "ask for a GPU, for COUNT, or all; 0: the GPU runtime without a device"),
    Option(
        ("--device",), "devices", "append", "NAME", "a device by its CDI name, nvidia.com/gpu=0 for one; repeatable"
    ),
    Option(
        ("--cdi-spec-dir",),
        "cdi_spec_dirs",
        "append",
        "DIR",
        "look for CDI specs here instead; where two name a device, the last folder decides; repeatable",
    ),
    Option(
        ("--env", "-e"),
        "env",
        "append",
        "KEY[=VALUE]",
        "pass a variable, with the caller's value or this one; repeatable",
    ),
    Option(("--workdir", "-C"), "workdir", "value", "DIR", "the working directory (without it: the current one)"),
    Option(("--verify",), "verify", "flag", None, "try in the sandbox what it may and must not; run nothing on drift"),
    Option(("--explain",), "explain", "flag", None, "print the plan and the effective policy; run nothing"),
    Option(("--max-abi",), "max_abi", "value", "N", "use no more of Landlock than ABI N has, to try an older kernel's"),
    Option(("--unsafe-unconfined",), "unsafe_unconfined", "flag", None, "run even where Landlock is missing"),
    Option(
        ("--output", "-o"),
        "output",
        "value",
        "FORMAT",
        "how --explain prints, and with json errors too: table, json or yaml",
        ("table", "json", "yaml"),
    ),
    Option(("--quiet", "-q"), "quiet", "flag", None, "say nothing of our own on stderr but errors"),
    Option(("--help", "-h"), "help", "flag", None, "show this help"),
)


def parse(argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the options by ``dest``, and the command: what follows ``--``, or the first argument that is no option.

    Absent options are None, flags False, ``env`` an empty tuple; ``gpu`` and ``max_abi`` are numbers.
    Raises UsageError.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        values[option.dest] = False if option.kind == "flag" else () if option.kind == "append" else None
    position = 0
    for option, flag, text, position in _walk(argv):  # noqa: B007 - the last position is where the command starts
        if option.kind == "append":
            values[option.dest] = (*values[option.dest], _checked(option, flag, text or ""))
        elif option.kind == "flag":
            values[option.dest] = True
        elif values[option.dest] is not None:
            raise UsageError(f"run: {flag} is given twice", hint=HINT)
        else:
            values[option.dest] = _checked(option, flag, text)
    command = list(argv[position:])
    if command[:1] == ["--"]:
        del command[0]
    if not command and not values["help"]:
        raise UsageError("run: no command is given", hint=f"usage: {USAGE}")
    return values, command


def wants_json(argv: Sequence[str]) -> bool:
    """Tell whether errors are asked for as JSON, also where the options cannot all be understood."""
    try:
        return any(option.dest == "output" and text == "json" for option, _flag, text, _next in _walk(argv))
    except UsageError:
        from pyopenshell.cli.output import wants_json as scan

        return scan(argv)


def _walk(argv: Sequence[str]) -> Iterator[tuple[Option, str, str | None, int]]:
    """Yield (option, flag as written, its value, index of the next argument) up to the command."""
    index = 0
    while index < len(argv) and argv[index].startswith("-") and argv[index] not in ("-", "--"):
        argument = argv[index]
        index += 1
        if argument.startswith("--"):
            flag, equals, attached = argument.partition("=")
            option = _option(flag)
            if equals and option.kind == "flag":
                raise UsageError(f"run: {flag} takes no value", hint=HINT)
            text, index = (attached, index) if equals else _value(option, flag, argv, index)
            yield option, flag, text, index
            continue
        letters = argument[1:]
        while letters:
            flag, letters = f"-{letters[0]}", letters[1:]
            option = _option(flag, argument)
            if option.kind == "flag":
                yield option, flag, None, index
                continue
            text, index = (letters.removeprefix("="), index) if letters else _value(option, flag, argv, index)
            letters = ""
            yield option, flag, text, index


def _option(flag: str, written: str | None = None) -> Option:
    for option in OPTIONS:
        if flag in option.flags:
            return option
    from pyopenshell.policy.problems import nearest

    known = [spelling[2:] for option in OPTIONS for spelling in option.flags if spelling.startswith("--")]
    meant = nearest((written or flag).lstrip("-"), known)
    raise UsageError(f"run: unknown option {written or flag}", hint=f"did you mean --{meant}?" if meant else HINT)


def _value(option: Option, flag: str, argv: Sequence[str], index: int) -> tuple[str | None, int]:
    """Return the value that follows an option, and the index behind it."""
    if option.kind == "flag":
        return None, index
    if option.kind == "gpu":
        return (argv[index], index + 1) if argv[index : index + 1] and is_count(argv[index]) else ("1", index)
    if index == len(argv) or argv[index] == "--":
        raise UsageError(f"run: {flag} needs a value: {flag} {option.metavar}", hint=HINT)
    return argv[index], index + 1


def is_count(text: str) -> bool:
    """Tell whether ``text`` is a count of GPUs."""
    return text == "all" or (text.isascii() and text.isdigit())


def _checked(option: Option, flag: str, text: str | None) -> str | int:
    """Return the value in its type. Raises UsageError where it cannot be one."""
    value = text or ""
    if option.kind == "gpu":
        if not is_count(value):
            raise UsageError(f"run: {flag} takes a number or all, not {value!r}", hint=HINT)
        return ALL_GPUS if value == "all" else int(value)
    if option.dest == "max_abi":
        if not (value.isascii() and value.isdigit()):
            raise UsageError(f"run: {flag} takes a Landlock ABI, a number from 0, not {value!r}", hint=HINT)
        return int(value)
    if option.choices and value not in option.choices:
        raise UsageError(f"run: {flag} takes {', '.join(option.choices)}, not {value!r}", hint=HINT)
    if option.dest == "env" and not value.partition("=")[0]:
        raise UsageError(
            f"run: {flag} needs a variable's name, not {value!r}", hint="write --env KEY or --env KEY=VALUE"
        )
    if not value:
        raise UsageError(f"run: the value of {flag} is empty", hint=HINT)
    return value


def help_text() -> str:
    """Return what ``openshell run --help`` prints."""
    rows = []
    for option in OPTIONS:
        spelled = ", ".join(sorted(option.flags, key=len))
        metavar = (
            "" if option.metavar is None else f" [{option.metavar}]" if option.kind == "gpu" else f" {option.metavar}"
        )
        rows.append((f"  {spelled}{metavar}", option.help))
    width = max(len(left) for left, _ in rows) + 2
    return "\n".join(
        [
            f"usage: {USAGE}",
            "",
            "Run a command in a sandbox made from a policy. Standard streams, signals and the terminal pass through.",
            "",
            "options:",
            *(f"{left:<{width}}{right}" for left, right in rows),
            "",
            "The exit code is the command's own; 128+n where signal n ended it; 125 where no sandbox could be made;",
            "126 where the command cannot be executed; 127 where it is not found.",
            "",
        ]
    )
