"""``openshell policy`` for the parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import parsing

if TYPE_CHECKING:
    from pyopenshell.cli.parsing import Group, Parser


def policy(verbs: Group, parent: Parser) -> None:
    """Add ``policy`` and its verbs."""
    parser = parsing.verb(verbs, parent, "policy", None, "what a sandbox may do, and policy files")
    group = parsing.group(parser)
    _get(group, parser)
    _change(group, parser)
    parsing.verb(group, parser, "default", "policy:default", "print the built-in default policy")
    validate = parsing.verb(group, parser, "validate", "policy:validate", "check a policy file and name every mistake")
    validate.add_argument("file", metavar="FILE", help="the policy file; - for standard input")
    parsing.output(validate)
    parsing.verb(group, parser, "schema", "policy:schema", "print the JSON Schema of policy files, for editors")
    diff = parsing.verb(group, parser, "diff", "policy_diff:diff", "compare two saved effective policies")
    diff.add_argument("a", metavar="A", help="a file that policy get --full -o json printed, or a sandbox's name")
    diff.add_argument("b", metavar="B", help="the other; - for standard input")
    parsing.output(diff)


def _get(group: Group, parser: Parser) -> None:
    get = parsing.verb(group, parser, "get", "policy:get", "show the policy of a sandbox")
    get.add_argument("name", metavar="NAME", nargs="?", help="the sandbox's name, or a run's id")
    part = get.add_mutually_exclusive_group()
    get.flags += ["--full", "--base"]
    part.add_argument("--full", action="store_true", help="then everything in force, with origin, reason and outcome")
    part.add_argument("--base", action="store_true", help="exactly as it was stored")
    get.add_argument("--rev", metavar="N", type=parsing.count, default=0, help="a revision (the active one)")
    get.add_argument("--global", dest="everywhere", action="store_true", help="the gateway's policy for all sandboxes")
    parsing.output(get)
    parsing.remote(get)
    every = parsing.verb(group, parser, "list", "policy_remote:list", "list the revisions of a sandbox's policy")
    every.add_argument("name", metavar="NAME", nargs="?", help="the sandbox's name (the last used)")
    every.add_argument("--limit", metavar="N", type=parsing.count, help="print no more than N")
    every.add_argument("--global", dest="everywhere", action="store_true", help="the gateway's policy's")
    parsing.output(every)
    parsing.remote(every)


def _change(group: Group, parser: Parser) -> None:
    put = parsing.verb(group, parser, "set", "policy_remote:set", "give a sandbox another network policy")
    put.add_argument("name", metavar="NAME", nargs="?", help="the sandbox's name (the last used)")
    put.add_argument("--policy", "-p", metavar="FILE", required=True, help="the whole policy")
    _wait(put)
    put.add_argument("--global", dest="everywhere", action="store_true", help="for all sandboxes of the gateway")
    put.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parsing.output(put)
    parsing.remote(put)
    update = parsing.verb(group, parser, "update", "policy_remote:update", "change a sandbox's network policy")
    update.add_argument("name", metavar="NAME", nargs="?", help="the sandbox's name (the last used)")
    for flag, metavar, meaning in (
        ("--add-endpoint", "HOST:PORT[:ACCESS[:PROTOCOL[:ENFORCEMENT]]]", "allow an endpoint"),
        ("--remove-endpoint", "HOST:PORT", "remove an endpoint"),
        ("--add-allow", "HOST:PORT:METHOD:PATH", "allow requests to an endpoint"),
        ("--add-deny", "HOST:PORT:METHOD:PATH", "deny requests to an endpoint"),
        ("--remove-rule", "NAME", "remove a rule"),
        ("--binary", "PATH", "a program that may use what --add-endpoint adds"),
    ):
        update.add_argument(flag, metavar=metavar, action="append", default=[], help=f"{meaning}; repeatable")
    update.add_argument("--rule-name", metavar="NAME", help="the rule that --add-endpoint adds to (the endpoint's)")
    update.add_argument("--dry-run", action="store_true", help="print what would be changed, and change nothing")
    _wait(update)
    parsing.output(update)
    parsing.remote(update)
    delete = parsing.verb(group, parser, "delete", "policy_remote:delete", "remove the gateway's policy")
    delete.add_argument(
        "--global", dest="everywhere", action="store_true", required=True, help="the gateway's policy for all sandboxes"
    )
    delete.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parsing.remote(delete)


def _wait(verb: Parser) -> None:
    verb.add_argument("--wait", action="store_true", help="return when the sandbox has loaded it; 124: not in time")
    verb.add_argument("--timeout", metavar="SECONDS", type=parsing.seconds, default=60, help="how long to wait (60)")
