"""Jupyter kernels in sandboxes: ``python -m pyopenshell.integrations.jupyter install --policy FILE --name NAME``.

That writes a kernelspec whose kernel is started by ``… jupyter launch``: ipykernel in a sandbox, without a network. A
kernel listens on five channels and its clients connect to them, but nothing connects into a sandbox. So the launcher
listens in the kernel's place, where Jupyter said, and the kernel on Unix sockets inside; for each client a small
program beside the kernel connects to these (``inside/connector.py``), and two pipes lead from the launcher to it. Both
carry bytes from one side to the other and understand none of them: what a kernel says reaches its clients as it always
does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError
from pyopenshell.integrations.options import with_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyopenshell.integrations.options import SandboxOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Install a kernelspec, or be the kernel that one starts. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb == "launch":
            return _launch(options)
        print(f"installed {options.name}: {install(options)}")  # noqa: T201 - a command of its own
    except OpenShellError as error:
        return _complain(error)
    return 0


def _complain(error: OpenShellError) -> int:
    print("\n".join(error.lines()), file=sys.stderr)  # noqa: T201, TID251 - a command of its own
    return error.exit_code


def install(options: argparse.Namespace) -> str:
    """Write the kernelspec and return its folder. Raises OpenShellError where ipykernel is missing, PolicyError."""
    try:
        from ipykernel.kernelspec import write_kernel_spec
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError as error:
        raise OpenShellError(
            f"{error.name} is not installed beside this Python", hint="pip install 'pyopenshell[jupyter]'"
        ) from error
    words = [sys.executable, "-m", "pyopenshell.integrations.jupyter", "launch", "-f", "{connection_file}"]
    if options.policy is not None:
        from pyopenshell.policy.load import load

        load(options.policy)  # a policy that is not valid is told of now, not when a notebook is opened
        words += ["--policy", os.path.abspath(options.policy)]
    words += ["--gpu", options.gpu] if options.gpu is not None else []
    words += [word for text in options.env for word in ("--env", text)]
    shown = options.display_name or f"Python 3 in a sandbox ({options.name})"
    with tempfile.TemporaryDirectory() as folder:
        spec = write_kernel_spec(f"{folder}/{options.name}", {"argv": words, "display_name": shown})
        place = {"prefix": options.prefix} if options.prefix else {"user": True}
        return str(KernelSpecManager().install_kernel_spec(spec, options.name, **place))


def _launch(options: argparse.Namespace) -> int:
    from pyopenshell.integrations.kernel import Kernel

    # Jupyter sends SIGINT when it likes. A handler, not SIG_IGN: that would be inherited.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with open(options.connection_file, encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError) as error:
        raise OpenShellError(
            f"cannot read the connection file {options.connection_file}: {error}", hint="Jupyter names it, and makes it"
        ) from error
    given: SandboxOptions = {"env": dict(_variable(text) for text in options.env)}
    if options.gpu is not None:
        given["gpu"] = "all" if options.gpu == "all" else int(options.gpu)
    kernel = Kernel(options.policy, with_program(given, sys.executable), sys.executable)
    return asyncio.run(kernel.run(told))


def _variable(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else None


def _gpus(text: str) -> str:
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number or 'all', found {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pyopenshell.integrations.jupyter", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    install = verbs.add_parser("install", help="write a kernelspec for a kernel in a sandbox")
    launch = verbs.add_parser("launch", help="be such a kernel; Jupyter starts this")
    for verb in (install, launch):
        verb.add_argument("--policy", metavar="FILE", help="what the kernel may do; default: the built-in policy")
        verb.add_argument("--gpu", metavar="N|all", type=_gpus, help="how many GPUs it gets")
        verb.add_argument("--env", metavar="NAME[=VALUE]", action="append", default=[], help="a variable for it")
    install.add_argument("--name", default="openshell", help="name of the kernelspec")
    install.add_argument("--display-name", help="what notebooks show")
    install.add_argument("--prefix", help="write it beneath this, e.g. that of an environment; default: for this user")
    launch.add_argument("-f", dest="connection_file", required=True, metavar="FILE", help="Jupyter's connection file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
