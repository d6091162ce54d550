"""``openshell gateway start`` and ``stop``: this machine's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import gateway_process, output
from pyopenshell.errors import OpenShellError
from pyopenshell.gateway.place import running

if TYPE_CHECKING:
    import argparse

TAKEN = "gateway.address"
"""The code of the error that an address cannot be listened on."""


def start(arguments: argparse.Namespace) -> int:
    """Run a gateway until it is stopped, or leave one running. One that runs already is what was wanted."""
    if arguments.detach:
        return _detached(arguments)
    _log()
    port = gateway_process.port(arguments.host) if arguments.port is None else arguments.port
    try:
        _run(arguments, port)
    except OpenShellError as problem:
        if problem.code != TAKEN or arguments.port is not None or not port:
            raise
        _run(arguments, 0)  # somebody took it since it was looked at
    return 0


def _run(arguments: argparse.Namespace, port: int) -> None:
    main = gateway_process.process()
    address = f"[{arguments.host}]:{port}" if ":" in arguments.host else f"{arguments.host}:{port}"
    options = main.Options(names=(arguments.host, *arguments.san), protocol=arguments.protocol or main.PROTOCOL)
    where = {"tls": None, "plaintext": address} if arguments.plaintext else {"tls": address}
    main.run(options.replace(**where), _ready)


def _ready(told: dict[str, object]) -> None:
    output.line(f"gateway {told['name']} answers: {told['endpoint']} and {told['socket']} (process {told['pid']})")
    sys.stdout.flush()


def _log() -> None:
    import logging

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _detached(arguments: argparse.Namespace) -> int:
    told = running()
    if told is not None:
        output.line(f"gateway {told.get('name', '')} runs already: {told.get('endpoint', 'it is starting')}")
        return 0
    words = ["--host", arguments.host, *(f"--san={name}" for name in arguments.san)]
    words += [] if arguments.port is None else ["--port", str(arguments.port)]
    words += [] if arguments.protocol is None else ["--protocol", arguments.protocol]
    words += ["--plaintext"] if arguments.plaintext else []
    gateway = gateway_process.start_detached(words)
    output.line(f"gateway {gateway.name} answers: {gateway.endpoint}; openshell gateway stop ends it")
    return 0


def stop(_arguments: argparse.Namespace) -> int:
    """End this machine's gateway. Its sandboxes go on, and the next gateway finds them."""
    told = gateway_process.stop()
    output.line(f"stopped gateway {told.get('name', '')}; its sandboxes go on")
    return 0


VERBS = {"start": start, "stop": stop}
