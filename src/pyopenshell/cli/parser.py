"""The verbs and options of the command, for argparse, for the completions and for the test that reads docs/cli.md.

``run`` stands here for its help and its completions only: ``cli/run_options.py`` holds its options and parses them.
Every verb says which module's ``VERBS`` serve it, as ``module:verb``; only that module is then imported.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from pyopenshell.cli import run_options
from pyopenshell.errors import UsageError

FORMATS = ("table", "json", "yaml")
SHELLS = ("bash", "zsh", "fish", "tcsh")
WHY = ("read", "write", "execute", "list", "create", "delete", "ioctl", "connect")
"""What ``why`` can be asked about."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose mistakes are UsageErrors, and which can list its own verbs and flags."""

    def __init__(self, **options: Any) -> None:
        """Switch abbreviations off: a new option must never change what an old command line means."""
        self.verbs: dict[str, Parser] = {}
        self.flags: list[str] = []
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


def build() -> Parser:
    """Return the parser of the whole command."""
    parser = Parser(
        prog="openshell",
        description="Run programs in a kernel-enforced sandbox from a YAML policy, and show every grant.",
        epilog="openshell VERB --help tells more about a verb.",
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    parser.add_argument("-v", "--verbose", action="store_true", help="with an error, also its code and its cause")
    verbs = _group(parser)
    _run(_verb(verbs, parser, "run", None, "run a command in a sandbox", usage=run_options.USAGE))
    _policy(_verb(verbs, parser, "policy", None, "what a sandbox may do, and policy files"))
    _sandbox(_verb(verbs, parser, "sandbox", None, "the sandboxes there are and were"))
    _why(_verb(verbs, parser, "why", "why:why", "say whether a path or a system call is allowed, and what decides"))
    doctor = _verb(verbs, parser, "doctor", "doctor:doctor", "say whether a sandbox would work on this host")
    doctor.add_argument("check", nargs="?", choices=("check",), help="the same, as OpenShell spells it")
    doctor.add_argument(
        "--gpu", nargs="?", type=_gpus, metavar="COUNT", help="ask for a sandbox with a GPU, with COUNT, or all"
    )
    _folders(doctor)
    _format(doctor)
    _gpu(_verb(verbs, parser, "gpu", None, "the GPUs of this host, their CDI specs, and what goes wrong with them"))
    _logs(_verb(verbs, parser, "logs", "logs:logs", "print the events of a sandbox"))
    completions = _verb(verbs, parser, "completions", "completion:completions", "print a shell's completions")
    completions.add_argument("shell", choices=SHELLS, help="the shell to complete for")
    return parser


def _group(parser: Parser) -> argparse._SubParsersAction[Parser]:
    return parser.add_subparsers(title="verbs", metavar="VERB")


def _verb(
    group: argparse._SubParsersAction[Parser], parent: Parser, name: str, handler: str | None, summary: str, **more: Any
) -> Parser:
    verb = group.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", **more)
    verb.set_defaults(handler=handler, parser=verb)
    parent.verbs[name] = verb
    return verb


def _format(verb: Parser) -> None:
    verb.add_argument("-o", "--output", choices=FORMATS, default="table", help="how to print (table)")


def _name(verb: Parser) -> None:
    verb.add_argument("name", metavar="NAME", help="the sandbox's name, or a run's id")


def _run(verb: Parser) -> None:
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


def _policy(parser: Parser) -> None:
    group = _group(parser)
    get = _verb(group, parser, "get", "policy:get", "show the policy of a sandbox")
    _name(get)
    part = get.add_mutually_exclusive_group()
    get.flags += ["--full", "--base"]
    part.add_argument("--full", action="store_true", help="then everything in force, with origin, reason and outcome")
    part.add_argument("--base", action="store_true", help="exactly as it was stored")
    _format(get)
    _verb(group, parser, "default", "policy:default", "print the built-in default policy")
    validate = _verb(group, parser, "validate", "policy:validate", "check a policy file and name every mistake")
    validate.add_argument("file", metavar="FILE", help="the policy file; - for standard input")
    _format(validate)
    _verb(group, parser, "schema", "policy:schema", "print the JSON Schema of policy files, for editors")
    diff = _verb(group, parser, "diff", "policy_diff:diff", "compare two saved effective policies")
    diff.add_argument("a", metavar="A", help="a file that policy get --full -o json printed, or a sandbox's name")
    diff.add_argument("b", metavar="B", help="the other; - for standard input")
    _format(diff)


def _sandbox(parser: Parser) -> None:
    group = _group(parser)
    every = _verb(group, parser, "list", "sandbox:list", "list sandboxes, the newest first")
    short = every.add_mutually_exclusive_group()
    every.flags += ["--ids", "--names"]
    short.add_argument("--ids", action="store_true", help="print only the runs' ids")
    short.add_argument("--names", action="store_true", help="print only the names")
    every.add_argument("--limit", metavar="N", type=_count, help="print no more than N")
    _format(every)
    inspect = _verb(group, parser, "inspect", "sandbox:inspect", "show all that is known about a sandbox")
    _name(inspect)
    _format(inspect)
    get = _verb(group, parser, "get", "sandbox:get", "show a sandbox in short")
    _name(get)
    get.add_argument("--policy-only", action="store_true", help="print its policy exactly as it was stored")
    _format(get)
    verify = _verb(group, parser, "verify", "sandbox:verify", "try in a sandbox that runs what it may and must not")
    _name(verify)
    _format(verify)
    delete = _verb(group, parser, "delete", "sandbox:delete", "remove what is stored of sandboxes that ended")
    delete.add_argument("names", metavar="NAME", nargs="*", help="a sandbox's name, or a run's id")
    delete.add_argument("--all", action="store_true", help="every sandbox that ended")


def _gpu(parser: Parser) -> None:
    group = _group(parser)
    every = _verb(group, parser, "list", "gpu_list:list", "list the GPUs, their device nodes and their CDI names")
    _folders(every)
    _format(every)
    lint = _verb(group, parser, "lint", "gpu_lint:lint", "check CDI specs, and name every mistake and its mend")
    lint.add_argument("paths", metavar="PATH", nargs="*", help="a spec or a folder of specs; - for standard input")
    _folders(lint)
    _format(lint)
    diagnose = _verb(
        group, parser, "diagnose", "gpu_diagnose:diagnose", "name the cause of an engine's error, and the way out"
    )
    diagnose.add_argument("file", metavar="FILE", nargs="?", default="-", help="what the engine said (standard input)")
    _folders(diagnose)
    _format(diagnose)
    probe = _verb(group, parser, "probe", "gpu_probe:probe", "start CUDA here, in a sandbox or not, say what fails")
    probe.add_argument("--python", metavar="PROGRAM", help="the Python that has PyTorch (the first on PATH that has)")
    probe.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=120, help="how long each step may take")
    _format(probe)


def _folders(verb: Parser) -> None:
    verb.add_argument(
        "--cdi-spec-dir",
        metavar="DIR",
        dest="cdi_spec_dirs",
        action="append",
        default=[],
        help="look for CDI specs here instead; where two name a device, the last folder decides; repeatable",
    )


def _why(verb: Parser) -> None:
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
    verb.add_argument("--gpu", metavar="COUNT", nargs="?", type=_gpus, const=1, help="as if a GPU were asked for")
    verb.add_argument("--device", metavar="NAME", action="append", default=[], help="and this CDI device; repeatable")
    _folders(verb)
    _format(verb)


def _logs(verb: Parser) -> None:
    _name(verb)
    verb.add_argument("-n", metavar="N", dest="count", type=_count, help="only the last N events")
    verb.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="shorthand, or OCSF as JSON lines"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"not a number from 0: {text!r}")
    return int(text)


def _seconds(text: str) -> int:
    if not _count(text):
        raise argparse.ArgumentTypeError("a step needs at least 1 second")
    return int(text)


def _gpus(text: str) -> int:
    return run_options.ALL_GPUS if text == "all" else _count(text)
