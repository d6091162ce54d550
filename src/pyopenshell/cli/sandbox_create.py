"""``openshell sandbox create``: a sandbox that stays, and this process's streams as those of its main process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import output, remote, sandbox_remote, sandbox_request, sandbox_view, terminal
from pyopenshell.cli.records import LOGIN_SHELL
from pyopenshell.cli.sandbox_connect import attach
from pyopenshell.errors import CommandError, OpenShellError, UsageError
from pyopenshell.runs.names import check_name

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.cli.remote import Remote

OURS = 125


def create(arguments: argparse.Namespace) -> int:
    """Make a sandbox. Where its main process's exit code is passed on, failures of ours are 125, as ``run``'s."""
    attached = _is_attached(arguments)
    try:
        return _create(arguments, attached)
    except OpenShellError as problem:
        if attached and not isinstance(problem, CommandError):
            problem.exit_code = OURS
        raise


def _is_attached(arguments: argparse.Namespace) -> bool:
    """Return whether the main process gets this process's streams: a command does, and a shell on a terminal."""
    if arguments.detach or arguments.editor:
        return False
    return bool(arguments.command) or (terminal.is_terminal() and arguments.tty is not False)


def _create(arguments: argparse.Namespace, attached: bool) -> int:
    _check(arguments, attached)
    command = arguments.command or (list(LOGIN_SHELL) if attached else [])
    tty = terminal.is_terminal() if arguments.tty is None else arguments.tty
    policy = sandbox_request.policy(arguments.policy)
    with _gateway(arguments) as there:
        request = sandbox_request.build(there, arguments, command, policy, tty=tty and bool(command))
        held = bool(command) and (attached or bool(arguments.upload))
        with sandbox_request.lines_of(arguments.policy, request["annotations"]):
            made = there.call("CreateSandbox", remote.LAUNCH_PATIENCE, await_main_process_attachment=held, **request)
        sandbox = sandbox_remote.settled(there, made.sandbox, ("Provisioning", "Starting"))
        name = sandbox.metadata.name
        try:
            remote.remember(name)
            return _go_on(there, arguments, sandbox, attached=attached, held=held)
        except KeyboardInterrupt:  # before it was attached to: what is typed is the program's then
            if not arguments.no_keep:
                remote.note(f"sandbox {name} is there all the same; openshell sandbox delete {name} removes it")
            raise
        finally:
            if arguments.no_keep:
                sandbox_remote.gone(there, name)


def _check(arguments: argparse.Namespace, attached: bool) -> None:
    """Refuse what cannot be, or not together, before a gateway is started for it. Raises UsageError."""
    if arguments.name is not None:
        check_name(arguments.name)
    if attached and arguments.output != "table":
        raise UsageError(
            f"-o {arguments.output} and the output of the main process cannot both have standard output",
            hint="--detach leaves the main process alone",
        )
    if arguments.no_keep and not attached:
        raise UsageError(
            "--no-keep deletes the sandbox when the command has ended, and nothing waits for one",
            hint="write a command, and no --detach",
        )
    if arguments.editor:
        from pyopenshell.cli import editor

        editor.check(arguments.editor)
    for what in arguments.upload:
        sandbox_request.upload(what)
    if arguments.forward:
        from pyopenshell.cli import forward

        for port in arguments.forward:
            forward.parsed(port)


def _gateway(arguments: argparse.Namespace) -> Remote:
    """Return a connection to the gateway that is meant.

    Where none is configured, or only this machine's own, which does not run, it is started here first.
    """
    from pyopenshell.cli import gateway_process

    gateway = remote.configured(arguments)
    why = None
    if gateway is None:
        why = "no gateway was configured: started one here"
    elif remote.is_own(gateway) and not remote.named(arguments) and gateway_process.is_down(gateway):
        why = "this machine's gateway did not run: started it"
    if why:
        gateway = gateway_process.start_detached()
        remote.note(f"{why}, {gateway.name}, {gateway.endpoint}; it goes on until: openshell gateway stop")
    return remote.required(arguments)


def _go_on(there: Remote, arguments: argparse.Namespace, sandbox: Any, *, attached: bool, held: bool) -> int:
    """Do what comes after the sandbox: name, files, ports, editor, main process. Returns the exit code."""
    name = sandbox.metadata.name
    if attached:
        remote.note(f"sandbox {name}")
    elif arguments.output == "table":
        output.line(name)
    missing = 0
    if arguments.upload:
        from pyopenshell.cli import sandbox_files

        for what in arguments.upload:
            local, destination = sandbox_request.upload(what)
            missing |= sandbox_files.send(there, name, local, destination, git_ignore=not arguments.no_git_ignore)
    if arguments.forward:
        for port in arguments.forward:
            _forward(there, name, port)
    if held and not attached:
        _let_go(there, name)
    if arguments.output != "table":
        output.document(sandbox_view.summary(there.call("GetSandbox", name=name).sandbox), arguments.output)
    if arguments.editor:
        from pyopenshell.cli import editor

        return editor.open_sandbox(there, arguments.editor, name)
    if not attached:
        return missing
    sys.stdout.flush()
    return attach(there, name, sandbox.spec.tty, forwarding=True)


def _forward(there: Remote, name: str, port: str) -> None:
    """Forward a port in a process of its own, which goes on when this one has ended. Raises OpenShellError."""
    import subprocess

    from pyopenshell.cli import ssh

    gateway = there.gateway
    which = ["-g", gateway.name] if gateway.name else ["--gateway-endpoint", str(gateway.endpoint)]
    words = ["--workspace", there.workspace, *(["--gateway-insecure"] if gateway.insecure else [])]
    sys.stdout.flush()
    done = subprocess.run(
        [*ssh.command(), "forward", "start", "--background", *which, *words, port, name],
        stdin=subprocess.DEVNULL,
        stdout=2,  # what it says is for people
        check=False,
    )
    if done.returncode:
        raise OpenShellError(f"port {port} is not forwarded", hint="the sandbox is there all the same")


def _let_go(there: Remote, name: str) -> None:
    """Start a main process that waits for somebody to attach, and leave it alone. Raises OpenShellError."""
    reports = there.reports
    start = reports.AttachInput(start={"workspace": there.workspace, "sandbox": name})
    try:
        for _ in there.inspection.AttachSession(iter([start, reports.AttachInput(detach=True)])):
            pass
    except there.failure as error:
        raise there.error(error) from error


VERBS = {"create": create}
