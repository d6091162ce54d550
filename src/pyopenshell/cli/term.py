"""What OpenShell's command has and this version does not: said plainly, with what serves meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    import argparse


def term(_arguments: argparse.Namespace) -> int:
    """Refuse."""
    raise OpenShellError(
        "this version has no terminal interface",
        hint="openshell sandbox list, openshell sandbox inspect NAME and openshell logs NAME --tail show the same",
        code="term.missing",
    )


def inference(arguments: argparse.Namespace) -> int:
    """Say that there is no route to a model: sandboxes have no network, and this gateway routes nothing into them."""
    if arguments.output != "table":
        output.document({"provider": None, "model": None}, arguments.output)
    else:
        output.line("not configured: this gateway routes no model requests")
    return 0


VERBS = {"term": term, "inference": inference}
