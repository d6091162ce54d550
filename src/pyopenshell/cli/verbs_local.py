"""The verbs that need no gateway, for the parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pyopenshell.cli import parsing, run_options

if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.cli.parsing import Group, Parser

SHELLS = ("bash", "zsh", "fish", "tcsh")
WHY = ("read", "write", "execute", "list", "create", "delete", "ioctl", "connect")
"""What ``why`` can be asked about."""


def run(verbs: Group, parent: Parser) -> None:
    """Add ``run``, for its help and its completions."""
    verb = parsing.verb(verbs, parent, "run", None, "run a command in a sandbox", usage=run_options.USAGE)
    for option in run_options.OPTIONS:
        if option.dest == "help":
            continue
        options: dict[str, Any] = {"dest": option.dest, "help": option.help}
        if option.kind == "flag":
            options["action"] = "store_true"
        else:
            options["metavar"] = option.metavar
        if option.kind == "gpu":
            options["nargs"] = "?"
        if option.choices:
            options["choices"] = option.choices
        verb.add_argument(*option.flags, **options)
    verb.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="the command and its arguments")


def doctor(verbs: Group, parent: Parser) -> None:
    """Add ``doctor``."""
    verb = parsing.verb(verbs, parent, "doctor", "doctor:doctor", "say whether a sandbox would work on this host")
    verb.add_argument("check", nargs="?", choices=("check",), help="the same, as OpenShell spells it")
    verb.add_argument(
        "--gpu", nargs="?", type=parsing.gpus, metavar="COUNT", help="ask for a sandbox with a GPU, with COUNT, or all"
    )
    parsing.cdi_folders(verb)
    parsing.output(verb)


def gpu(verbs: Group, parent: Parser) -> None:
    """Add ``gpu`` and its verbs."""
    parser = parsing.verb(
        verbs, parent, "gpu", None, "the GPUs of this host, their CDI specs, and what goes wrong with them"
    )
    group = parsing.group(parser)
    every = parsing.verb(
        group, parser, "list", "gpu_list:list", "list the GPUs, their device nodes and their CDI names"
    )
    parsing.cdi_folders(every)
    parsing.output(every)
    lint = parsing.verb(group, parser, "lint", "gpu_lint:lint", "check CDI specs, and name every mistake and its mend")
    lint.add_argument("paths", metavar="PATH", nargs="*", help="a spec or a folder of specs; - for standard input")
    parsing.cdi_folders(lint)
    parsing.output(lint)
    diagnose = parsing.verb(
        group, parser, "diagnose", "gpu_diagnose:diagnose", "name the cause of an engine's error, and the way out"
    )
    diagnose.add_argument("file", metavar="FILE", nargs="?", default="-", help="what the engine said (standard input)")
    parsing.cdi_folders(diagnose)
    parsing.output(diagnose)
    probe = parsing.verb(
        group, parser, "probe", "gpu_probe:probe", "start CUDA here, in a sandbox or not, say what fails"
    )
    probe.add_argument("--python", metavar="PROGRAM", help="the Python that has PyTorch (the first on PATH that has)")
    probe.add_argument(
        "--timeout", metavar="SECONDS", type=parsing.seconds, default=120, help="how long each step may take"
    )
    parsing.output(probe)


def why(verbs: Group, parent: Parser) -> None:
    """Add ``why``."""
    verb = parsing.verb(
        verbs, parent, "why", "why:why", "say whether a path or a system call is allowed, and what decides"
    )
    verb.add_argument("path", metavar="PATH", nargs="?", help="the path; a relative one counts from the current folder")
    verb.add_argument("--syscall", metavar="NAME", help="ask about a system call instead, and the syscall filter")
    asked = verb.add_mutually_exclusive_group()
    for word in WHY:
        verb.flags.append(f"--{word}")
        asked.add_argument(
            f"--{word}",
            dest="asked",
            action="store_const",
            const=word,
            help=f"ask about this{' (default)' * (word == 'read')}",
        )
    place = verb.add_mutually_exclusive_group()
    verb.flags += ["--policy", "-p", "--name", "-n"]
    place.add_argument("--policy", "-p", metavar="FILE", help="under this policy, as if it were run here")
    place.add_argument("--name", "-n", metavar="NAME", help="in this sandbox, as it was enforced")
    verb.add_argument(
        "--gpu", metavar="COUNT", nargs="?", type=parsing.gpus, const=1, help="as if a GPU were asked for"
    )
    verb.add_argument("--device", metavar="NAME", action="append", default=[], help="and this CDI device; repeatable")
    parsing.cdi_folders(verb)
    parsing.output(verb)


def completions(verbs: Group, parent: Parser) -> None:
    """Add ``completions``."""
    verb = parsing.verb(verbs, parent, "completions", "completion:completions", "print a shell's completions")
    verb.add_argument("shell", choices=SHELLS, help="the shell to complete for")
