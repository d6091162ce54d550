"""The verbs and options of the command, for argparse, for the completions and for the test that reads docs/cli.md.

``run`` stands here for its help and its completions only: ``cli/run_options.py`` holds its options and parses them.
Every verb says which module's ``VERBS`` serve it, as ``module:verb``; only that module is then imported.
"""

from __future__ import annotations

from pyopenshell.cli import parsing, verbs_gateway, verbs_local, verbs_policy, verbs_sandbox
from pyopenshell.cli.parsing import Parser


def build() -> Parser:
    """Return the parser of the whole command."""
    parser = Parser(
        prog="openshell",
        description="Run programs in a kernel-enforced sandbox from a YAML policy, and show every grant.",
        epilog="openshell VERB --help tells more about a verb.",
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    parser.add_argument("-v", "--verbose", action="store_true", help="with an error, also its code and its cause")
    parsing.remote(parser, default=None)
    verbs = parsing.group(parser)
    for add in (
        verbs_local.run,
        verbs_sandbox.sandbox,
        verbs_policy.policy,
        verbs_gateway.logs,
        verbs_gateway.status,
        verbs_gateway.gateway,
        verbs_gateway.provider,
        verbs_gateway.forward,
        verbs_sandbox.ssh_proxy,
        verbs_local.why,
        verbs_local.doctor,
        verbs_local.gpu,
        verbs_gateway.others,
        verbs_local.completions,
    ):
        add(verbs, parser)
    return parser
