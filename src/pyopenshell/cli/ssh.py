"""``openshell sandbox ssh-config``, and what OpenSSH starts for it: ``openshell ssh-proxy``."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import forward, output, remote
from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.policy.problems import show
from pyopenshell.runs.names import is_name
from pyopenshell.state import config_root, lock, open_folder, unusable, write_whole

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.cli.remote import Remote

USER = "sandbox"
"""The user name that is put down. A sandbox has one identity, whatever SSH's user name is."""
KNOWN_HOSTS = "ssh"
"""The folder in our configuration with the host keys that sandboxes have, a file for each."""
REVOKING = 3.0
"""Seconds that a token's end may take; it also ends by itself."""


def config(arguments: argparse.Namespace) -> int:
    """Print a ``Host`` section for OpenSSH's configuration."""
    with remote.required(arguments) as gateway:
        name = gateway.call("GetSandbox", name=remote.sandbox(arguments.name)).sandbox.metadata.name
        if not is_name(name):  # a line of its own could be a command that ssh runs
            raise OpenShellError(f"{gateway.title} calls a sandbox {show(name)}, which is no name", code="gateway.name")
        alias = _alias(gateway, name)
        lines = (
            f"User {USER}",
            f"ProxyCommand {_proxy_command(gateway, name)}",
            f"HostKeyAlias {alias}",
            f"UserKnownHostsFile {_quoted(f'{config_root()}/{KNOWN_HOSTS}/{alias}')}",
            "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes",
            "UpdateHostKeys no",
            "CheckHostIP no",
            "ForwardAgent no",
            "ForwardX11 no",
            "ServerAliveInterval 15",
            "ServerAliveCountMax 4",
            # The connection is inside another that is encrypted: what costs least will do.
            "Ciphers ^aes128-gcm@openssh.com",
        )
    print()  # what it is appended to may not end with a newline
    print(f"Host {name} openshell-{name}")
    for line in lines:
        print(f"    {line}")
    return 0


def proxy(arguments: argparse.Namespace) -> int:
    """Connect standard input and output to the SSH server of a sandbox. For OpenSSH's ProxyCommand."""
    with remote.required(arguments) as gateway:
        return asyncio.run(_proxy(gateway, arguments.name))


async def _proxy(gateway: Remote, name: str) -> int:
    from openshell._proto.openshell_pb2_grpc import OpenShellStub

    from pyopenshell.gateway import channel
    from pyopenshell.gateway.ssh.tunnel import relay

    messages = gateway.messages
    token = _token(gateway, name)
    init = messages.TcpForwardInit(
        sandbox=name, workspace=gateway.workspace, ssh=messages.SshRelayTarget(), authorization_token=token
    )
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is one
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):  # OpenSSH sends the first when it ends
        loop.add_signal_handler(number, task.cancel)
    try:
        async with channel.connect_aio(gateway.gateway) as connection:
            stream = OpenShellStub(connection).ForwardTcp()
            with Ends() as ends:
                await relay(stream, init, ends.read, ends.write)
    except (asyncio.CancelledError, BrokenPipeError):  # ssh has ended
        pass
    finally:
        _revoke(gateway, token)
    return 0


def _token(gateway: Remote, name: str) -> str:
    """Return a new token for a sandbox, whose host key is put down where ssh looks for it. Raises OpenShellError."""
    from openshell._proto import datamodel_pb2

    from pyopenshell.gateway.ssh.tunnel import HOST_KEY

    scope = datamodel_pb2.WorkspaceSelector(workspace=gateway.workspace)
    request = gateway.messages.CreateSshSessionRequest(sandbox=name, workspace_scope=scope)
    try:
        response, call = gateway.service.CreateSshSession.with_call(request, timeout=remote.PATIENCE)
    except gateway.failure as error:
        raise gateway.error(error) from error
    key = dict(call.trailing_metadata() or ()).get(HOST_KEY)
    if not isinstance(key, str):
        raise OpenShellError(
            f"{gateway.title} does not tell the SSH host keys of its sandboxes",
            hint="it may be another version, or another program; openshell sandbox exec needs no SSH",
            code="gateway.unimplemented",
        )
    _pin(_alias(gateway, name), key)
    token: str = response.token
    return token


def _revoke(gateway: Remote, token: str) -> None:
    try:
        gateway.call("RevokeSshSession", REVOKING, token=token, allow_missing=True)
    except OpenShellError:  # the gateway is gone, or slow: the token ends by itself
        pass


class Ends:
    """Standard input and output, as ssh gives them: pipes or sockets, which are waited for."""

    def __enter__(self) -> Ends:
        """Prepare them."""
        self._blocking = [(fd, os.get_blocking(fd)) for fd in (0, 1)]
        for fd in (0, 1):
            os.set_blocking(fd, False)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave them as they were: a terminal is others' too."""
        for fd, blocking in self._blocking:
            os.set_blocking(fd, blocking)

    async def read(self) -> bytes:
        """Return what there is to read, nothing at the end."""
        from pyopenshell.gateway.ssh.tunnel import PIECE

        while True:
            try:
                return os.read(0, PIECE)
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader, 0)

    async def write(self, data: bytes) -> None:
        """Write all. Raises BrokenPipeError."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(1, rest) :]
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer, 1)

    async def _ready(self, add: Any, remove: Any, fd: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        add(fd, _wake, future)
        try:
            await future
        finally:
            remove(fd)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _pin(alias: str, key: str) -> None:
    """Put down a sandbox's host key. The gateway told it over a connection that is its own for sure."""
    folder, data = f"{config_root()}/{KNOWN_HOSTS}", f"{alias} {key}\n".encode()
    try:
        fd = open_folder(folder)
        try:
            lock(fd, folder)
            if _read(fd, alias) != data:
                write_whole(fd, alias, data)
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(folder, error) from error


def _read(folder: int, filename: str) -> bytes | None:
    try:
        with open(os.open(filename, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _alias(gateway: Remote, name: str) -> str:
    """Return the name that a sandbox's host key has: no other sandbox, of any gateway, has it."""
    of = gateway.gateway.name or str(gateway.gateway.endpoint)
    safe = "".join(character if character.isascii() and character.isalnum() else "-" for character in of)
    return f"{name}.{gateway.workspace}.{safe.strip('-').lower()}.openshell"


def _proxy_command(gateway: Remote, name: str) -> str:
    """Return the command that connects to a sandbox, for a shell, from any folder. Raises UsageError."""
    words = [f"XDG_CONFIG_HOME={os.environ['XDG_CONFIG_HOME']}"] if os.environ.get("XDG_CONFIG_HOME") else []
    words = ["env", *words] if words else []
    words += [*command(), "ssh-proxy"]
    known = gateway.gateway
    words += ["--gateway", known.name] if known.name else ["--gateway-endpoint", str(known.endpoint)]
    if known.insecure:
        words.append("--gateway-insecure")
    text = shlex.join([*words, "--workspace", gateway.workspace, name])
    if not text.isprintable():
        raise UsageError(
            "a path in the command for ssh has a newline or the like, which ssh's configuration cannot hold"
        )
    return text.replace("%", "%%")


def command() -> list[str]:
    """Return how this command is started again, whichever way it was: as a script, or by an interpreter."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "openshell" and os.path.isfile(script) and os.access(script, os.X_OK):
        return [script]
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # -I: nothing of the caller's environment; -P: at least not the folder of the file.
    return [sys.executable, "-I" if sys.flags.isolated else "-P", f"{package}/__main__.py"]


def _quoted(path: str) -> str:
    """Return a path for OpenSSH's configuration (ssh_config(5)). Raises UsageError."""
    if '"' in path or not path.isprintable():
        raise UsageError(f"{output.escape(path)} cannot be written in ssh's configuration", hint="set XDG_CONFIG_HOME")
    return '"' + path.replace("\\", "\\\\").replace("%", "%%") + '"'


VERBS = {
    "ssh-config": config,
    "ssh-proxy": proxy,
    "forward-start": forward.start,
    "forward-stop": forward.stop,
    "forward-list": forward.every,
}
