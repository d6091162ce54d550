"""The verbs that speak to a gateway or keep one, but for ``sandbox`` and ``policy``, for the parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import parsing

if TYPE_CHECKING:
    from pyopenshell.cli.parsing import Group, Parser


def gateway(verbs: Group, parent: Parser) -> None:
    """Add ``gateway`` and its verbs."""
    parser = parsing.verb(verbs, parent, "gateway", None, "the gateways that are known here, and this machine's")
    group = parsing.group(parser)
    start = parsing.verb(group, parser, "start", "gateway:start", "start a gateway on this machine")
    start.add_argument("--detach", "-d", action="store_true", help="leave it running and return once it answers")
    start.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="the address it listens on (127.0.0.1)")
    start.add_argument(
        "--port", metavar="PORT", type=parsing.port, help="its port; 0: any (17670, or any where that is taken)"
    )
    start.add_argument("--san", metavar="NAME", action="append", default=[], help="another name in its certificate")
    start.add_argument(
        "--protocol",
        choices=[f"0.1.{minor}" for minor in range(6)],
        help="the version of OpenShell's protocol that clients are told (0.1.5), for clients that take only one",
    )
    start.add_argument("--plaintext", action="store_true", help="no TLS and no certificates; on loopback only")
    parsing.verb(group, parser, "stop", "gateway:stop", "stop this machine's gateway; its sandboxes go on")
    add = parsing.verb(group, parser, "add", "gateways:add", "make a gateway known here, and the active one")
    add.add_argument("endpoint", metavar="URL", help="its address: https://host:port, or http:// without TLS")
    add.add_argument("--name", metavar="NAME", help="the name it is to have here (its host)")
    add.add_argument("--ca", metavar="FILE", help="the certificate of the authority that its own is checked by")
    add.add_argument("--cert", metavar="FILE", help="the client's certificate")
    add.add_argument("--key", metavar="FILE", help="the client's private key")
    remove = parsing.verb(group, parser, "remove", "gateways:remove", "forget a gateway, and the keys for it")
    remove.add_argument("name", metavar="NAME", help="its name here")
    select = parsing.verb(group, parser, "select", "gateways:select", "make a gateway the active one")
    select.add_argument("name", metavar="NAME", nargs="?", help="its name here (without it: print the active one's)")
    every = parsing.verb(group, parser, "list", "gateways:list", "list the gateways that are known here")
    parsing.output(every)
    info = parsing.verb(group, parser, "info", "gateways:info", "show how a gateway is reached and what it can do")
    info.add_argument("name", metavar="NAME", nargs="?", help="its name here (the active one)")
    parsing.output(info)
    parsing.remote(info)


def status(verbs: Group, parent: Parser) -> None:
    """Add ``status``."""
    verb = parsing.verb(verbs, parent, "status", "status:status", "say whether the gateway answers")
    parsing.output(verb)
    parsing.remote(verb)


def provider(verbs: Group, parent: Parser) -> None:
    """Add ``provider`` and its verbs."""
    parser = parsing.verb(verbs, parent, "provider", None, "credentials that the gateway keeps for sandboxes")
    group = parsing.group(parser)
    create = parsing.verb(group, parser, "create", "provider:create", "store credentials under a name")
    create.add_argument("--name", metavar="NAME", required=True, help="its name")
    create.add_argument("--type", metavar="TYPE", required=True, help="its kind, as clients spell it: openai, github")
    create.add_argument(
        "--credential",
        metavar="KEY[=VALUE]",
        action="append",
        default=[],
        help="a credential, by default the value of this environment's variable; repeatable",
    )
    create.add_argument(
        "--config", metavar="KEY=VALUE", action="append", default=[], type=parsing.pair, help="a setting; repeatable"
    )
    parsing.remote(create)
    every = parsing.verb(group, parser, "list", "provider:list", "list providers, never their credentials")
    every.add_argument("--names", action="store_true", help="print only the names")
    parsing.output(every)
    parsing.remote(every)
    get = parsing.verb(group, parser, "get", "provider:get", "show a provider, never its credentials")
    get.add_argument("name", metavar="NAME", help="its name")
    parsing.output(get)
    parsing.remote(get)
    delete = parsing.verb(group, parser, "delete", "provider:delete", "remove providers")
    delete.add_argument("names", metavar="NAME", nargs="+", help="their names")
    parsing.remote(delete)


def logs(verbs: Group, parent: Parser) -> None:
    """Add ``logs``."""
    verb = parsing.verb(verbs, parent, "logs", "logs:logs", "print the events of a sandbox")
    parsing.sandbox_name(verb, optional=True)
    verb.add_argument("-n", metavar="N", dest="count", type=parsing.count, help="only the last N events")
    verb.add_argument("--tail", action="store_true", help="then go on with those that come, until Ctrl-C")
    verb.add_argument("--since", metavar="AGE", help="only those that are not older: 90s, 5m, 2h, 1d")
    verb.add_argument("--source", metavar="SOURCE", action="append", default=[], help="only this source's; repeatable")
    verb.add_argument("--level", metavar="LEVEL", help="only from this severity on: info, low, medium, high, critical")
    verb.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="shorthand, or OCSF as JSON lines"
    )
    parsing.remote(verb)


def forward(verbs: Group, parent: Parser) -> None:
    """Add ``forward`` and its verbs."""
    parser = parsing.verb(verbs, parent, "forward", None, "ports of this machine that lead into a sandbox")
    group = parsing.group(parser)
    for name, summary in (("start", "forward a port into a sandbox"), ("stop", "end a forwarding")):
        one = parsing.verb(group, parser, name, f"ssh:forward-{name}", summary)
        one.add_argument("port", metavar="[ADDRESS:]PORT", help="the port, here and in the sandbox")
        one.add_argument("name", metavar="NAME", nargs="?", help="the sandbox (the last used)")
        if name == "start":
            one.add_argument("--background", "-d", action="store_true", help="leave it running and return")
        parsing.remote(one)
    every = parsing.verb(group, parser, "list", "ssh:forward-list", "list forwardings that run")
    parsing.output(every)
    parsing.remote(every)


def others(verbs: Group, parent: Parser) -> None:
    """Add what this version has no service for, with clear answers."""
    term = parsing.verb(verbs, parent, "term", "term:term", "the terminal interface (not in this version)")
    parsing.remote(term)
    parser = parsing.verb(verbs, parent, "inference", None, "routes to models (this gateway has none)")
    group = parsing.group(parser)
    get = parsing.verb(group, parser, "get", "term:inference", "show the route to a model")
    parsing.output(get)
    parsing.remote(get)
