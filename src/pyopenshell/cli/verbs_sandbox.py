"""``openshell sandbox`` for the parser: what there is, making, running, files, SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import parsing

if TYPE_CHECKING:
    from pyopenshell.cli.parsing import Group, Parser


def sandbox(verbs: Group, parent: Parser) -> None:
    """Add ``sandbox`` and its verbs."""
    parser = parsing.verb(verbs, parent, "sandbox", None, "the sandboxes there are and were")
    group = parsing.group(parser)
    _create(group, parser)
    _list(group, parser)
    _shown(group, parser)
    _ended(group, parser)
    _programs(group, parser)
    _files(group, parser)
    _ssh(group, parser)


def _create(group: Group, parser: Parser) -> None:
    create = parsing.verb(group, parser, "create", "sandbox_create:create", "make a sandbox that stays", usage=CREATE)
    create.description = (
        "Make a sandbox that stays, through the gateway; without a gateway in the configuration, one is started here. "
        "With COMMAND, that is its main process, attached to unless --detach is given, and its exit code is passed on. "
        "Without COMMAND, a login shell is, where this is a terminal."
    )
    create.add_argument("--name", "-n", metavar="NAME", help="its name (without it: one is chosen)")
    create.add_argument("--policy", "-p", metavar="FILE", help="the policy (without it: the built-in default policy)")
    create.add_argument(
        "--workdir",
        metavar="DIR",
        help="its working directory on this machine (the current folder, unless there is --from or --upload); "
        "none: a folder of its own, which it always has on another machine",
    )
    create.add_argument("--gpu", metavar="COUNT", nargs="?", type=parsing.gpus, help="ask for a GPU, for COUNT, or all")
    create.add_argument("--cpu", metavar="N", help="limit it to so many processors: 2, 0.5, 500m")
    create.add_argument("--memory", metavar="SIZE", help="limit its memory: 512Mi, 4Gi, 4G, or bytes")
    create.add_argument(
        "--env",
        "-e",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=parsing.pair,
        help="a variable for all its programs; repeatable",
    )
    create.add_argument(
        "--label",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=parsing.pair,
        help="a label to select it by; repeatable",
    )
    create.add_argument("--provider", metavar="NAME", action="append", default=[], help="attach a provider; repeatable")
    create.add_argument("--no-auto-providers", action="store_true", help="attach no others (none ever are)")
    create.add_argument(
        "--upload",
        metavar="PATH[:DEST]",
        action="append",
        default=[],
        help="upload a file or folder before anything else; repeatable",
    )
    create.add_argument("--no-git-ignore", action="store_true", help="upload what .gitignore excludes too")
    create.add_argument(
        "--forward", metavar="[ADDRESS:]PORT", action="append", default=[], help="forward a port; repeatable"
    )
    create.add_argument(
        "--from",
        metavar="IMAGE",
        dest="image",
        help="an image; without a container engine it is not used, and this is said: the sandbox has the gateway's "
        "host's files, as its policy grants them, and base or host says just that",
    )
    create.add_argument("--approval-mode", choices=("manual", "auto"), help="who approves proposals for its policy")
    create.add_argument("--driver-config-json", metavar="JSON", help="settings for the gateway's compute driver")
    create.add_argument("--editor", metavar="EDITOR", help="then open it in this editor: vscode or cursor")
    create.add_argument("--detach", "-d", action="store_true", help="do not attach to the main process")
    create.add_argument("--no-keep", action="store_true", help="delete it when the main process has ended")
    _tty(create, "give the main process")
    parsing.output(create)
    parsing.remote(create)
    parsing.tail(create)


CREATE = "openshell sandbox create [OPTION]... [-- COMMAND [ARGUMENT]...]"
EXEC = "openshell sandbox exec [OPTION]... -- COMMAND [ARGUMENT]..."


def _tty(verb: Parser, give: str) -> None:
    choice = verb.add_mutually_exclusive_group()
    verb.flags += ["--tty", "--no-tty"]
    choice.add_argument("--tty", action="store_const", const=True, help=f"{give} a terminal")
    choice.add_argument(
        "--no-tty",
        dest="tty",
        action="store_const",
        const=False,
        help="give it pipes (without either: a terminal where this is one)",
    )


def _list(group: Group, parser: Parser) -> None:
    every = parsing.verb(group, parser, "list", "sandbox:list", "list sandboxes, the newest first")
    short = every.add_mutually_exclusive_group()
    every.flags += ["--ids", "--names"]
    short.add_argument("--ids", action="store_true", help="print only the runs' ids")
    short.add_argument("--names", action="store_true", help="print only the names")
    every.add_argument("--limit", metavar="N", type=parsing.count, help="print no more than N")
    every.add_argument("--offset", metavar="N", type=parsing.count, default=0, help="leave the first N out")
    every.add_argument("--selector", "-l", metavar="KEY=VALUE,...", help="only those with these labels")
    parsing.output(every)
    parsing.remote(every)


def _shown(group: Group, parser: Parser) -> None:
    inspect = parsing.verb(group, parser, "inspect", "sandbox:inspect", "show all that is known about a sandbox")
    parsing.sandbox_name(inspect)
    parsing.output(inspect)
    parsing.remote(inspect)
    get = parsing.verb(group, parser, "get", "sandbox:get", "show a sandbox in short")
    parsing.sandbox_name(get)
    get.add_argument("--policy-only", action="store_true", help="print its policy exactly as it was stored")
    parsing.output(get)
    parsing.remote(get)
    verify = parsing.verb(
        group, parser, "verify", "sandbox:verify", "try in a sandbox that runs what it may and must not"
    )
    parsing.sandbox_name(verify)
    parsing.output(verify)
    parsing.remote(verify)


def _ended(group: Group, parser: Parser) -> None:
    delete = parsing.verb(group, parser, "delete", "sandbox:delete", "remove sandboxes, and what is stored of them")
    delete.add_argument("names", metavar="NAME", nargs="*", help="a sandbox's name, or a run's id")
    delete.add_argument("--all", action="store_true", help="every sandbox; without a gateway, every one that ended")
    parsing.remote(delete)
    for name, summary in (("stop", "end a sandbox's programs, and keep the rest"), ("start", "start it again")):
        verb = parsing.verb(group, parser, name, f"sandbox_remote:{name}", summary)
        verb.add_argument("name", metavar="NAME", nargs="?", help="the sandbox's name (the last used)")
        parsing.remote(verb)


def _programs(group: Group, parser: Parser) -> None:
    run = parsing.verb(group, parser, "exec", "sandbox_exec:exec", "run a command in a sandbox", usage=EXEC)
    run.description = (
        "Run a command in a sandbox, under its policy. Standard input is passed on until its end. The exit code is the "
        "command's; 124 where its time was over; 125 where it could not be run; 126 and 127 as in a shell."
    )
    run.add_argument("--name", "-n", metavar="NAME", help="the sandbox (the last used)")
    run.add_argument("--workdir", metavar="DIR", help="the folder it starts in (the sandbox's working directory)")
    run.add_argument("--timeout", metavar="SECONDS", type=parsing.seconds, help="end it after so long")
    run.add_argument(
        "--env",
        "-e",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=parsing.pair,
        help="a variable; repeatable",
    )
    run.add_argument("--no-login-shell", action="store_true", help="start it as it is, not through a login shell")
    _tty(run, "give it")
    parsing.remote(run)
    parsing.tail(run)
    connect = parsing.verb(
        group, parser, "connect", "sandbox_connect:connect", "attach to a sandbox's main process, or start a shell"
    )
    parsing.sandbox_name(connect, optional=True)
    connect.add_argument("--editor", metavar="EDITOR", help="open it in this editor instead: vscode or cursor")
    parsing.remote(connect)


def _files(group: Group, parser: Parser) -> None:
    upload = parsing.verb(group, parser, "upload", "sandbox_files:upload", "copy a file or folder into a sandbox")
    upload.add_argument("name", metavar="NAME", help="the sandbox's name")
    upload.add_argument("local", metavar="PATH", help="the file or folder here")
    upload.add_argument("destination", metavar="DEST", nargs="?", help="where to (its working directory)")
    upload.add_argument("--no-git-ignore", action="store_true", help="copy what .gitignore excludes too")
    parsing.remote(upload)
    download = parsing.verb(
        group, parser, "download", "sandbox_files:download", "copy a file or folder out of a sandbox"
    )
    download.add_argument("name", metavar="NAME", help="the sandbox's name")
    download.add_argument("remote", metavar="SOURCE", help="the file or folder in the sandbox")
    download.add_argument("destination", metavar="PATH", nargs="?", help="where to (the current folder)")
    parsing.remote(download)


def _ssh(group: Group, parser: Parser) -> None:
    config = parsing.verb(group, parser, "ssh-config", "ssh:ssh-config", "print what makes ssh reach a sandbox")
    parsing.sandbox_name(config, optional=True)
    parsing.remote(config)


def ssh_proxy(verbs: Group, parent: Parser) -> None:
    """Add ``ssh-proxy``."""
    verb = parsing.verb(verbs, parent, "ssh-proxy", "ssh:ssh-proxy", "lead ssh into a sandbox; its ProxyCommand")
    parsing.sandbox_name(verb)
    parsing.remote(verb)
