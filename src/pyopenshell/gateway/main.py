"""The gateway's process: from its lock to its graceful end."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import pwd
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway import configuration, server
from pyopenshell.gateway.auth import own_token
from pyopenshell.gateway.certificates import Certificates
from pyopenshell.gateway.engine import Engine
from pyopenshell.gateway.exposures import Exposures
from pyopenshell.gateway.place import LOCK, RUNNING, folder, running
from pyopenshell.gateway.service.sandboxes import PROTOCOL
from pyopenshell.gateway.services import services
from pyopenshell.gateway.store import AsyncStore
from pyopenshell.record import Record
from pyopenshell.state import open_folder, state_root, unusable, write_whole
from pyopenshell.supervisor.client import Supervisors

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.gateway.server import Running

LOG = logging.getLogger("pyopenshell.gateway")
MOUNT_POINT = "/sandbox"
"""Where sandboxes see their own folder, which a gateway of root makes."""


class Options(Record):
    """How to run a gateway. ``tls`` and ``plaintext`` are ``host:port`` to listen on, None for not at all.

    ``name`` is what it is registered as for its user's clients (None: not at all), ``protocol`` the version of
    OpenShell's protocol that clients are told; ``names`` are more hosts that its certificate is good for.
    """

    name: str | None = "local"
    tls: str | None = f"127.0.0.1:{server.PORT}"
    plaintext: str | None = None
    protocol: str = PROTOCOL
    names: tuple[str, ...] = ()


class AlreadyRunning(OpenShellError):
    """Another gateway works on this state folder."""

    code = "gateway.running"


def run(options: Options, ready: Callable[[dict[str, object]], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``ready`` is called with what ``running`` returns once clients are served.

    Raises AlreadyRunning, StateError, UsageError, OpenShellError.
    """
    lock = _lock()
    try:
        asyncio.run(_run(options, ready))
    finally:
        try:
            os.unlink(f"{folder()}/{RUNNING}")
        except OSError:  # it was never written, or the folder is read-only by now
            pass
        os.close(lock)


def _lock() -> int:
    """Take the gateway's folder for ourselves. Raises AlreadyRunning, StateError."""
    try:
        os.close(open_folder(state_root()))
        own = open_folder(folder())
        try:
            fd = os.open(LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=own)
        finally:
            os.close(own)
    except OSError as error:
        raise unusable(folder(), error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        told = running() or {}
        who = f" (process {told['pid']}, {told['endpoint']})" if told else ""
        raise AlreadyRunning(
            f"a gateway runs on {state_root()} already{who}",
            hint="openshell gateway stop ends it; XDG_STATE_HOME names another state folder",
        ) from None
    return fd


async def _run(options: Options, ready: Callable[[dict[str, object]], None]) -> None:
    _make_mount_point()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        certificates = Certificates(f"{folder()}/tls", _user(), names=options.names)
        token = own_token(folder())
        store = await AsyncStore.open(f"{folder()}/store.sqlite")
        stack.push_async_callback(store.close)
        engine = Engine(store, Supervisors())
        stack.push_async_callback(engine.close)
        await engine.recover()
        exposures = Exposures(engine)
        stack.push_async_callback(exposures.close)
        await exposures.recover()
        offered, end = services(engine, exposures, folder(), options.protocol)
        stack.push_async_callback(end)
        served = await server.serve(
            offered,
            server.Options(
                tls=options.tls,
                certificates=certificates if options.tls else None,
                socket=f"{folder()}/gateway.sock",
                plaintext=options.plaintext,
                token=token,
            ),
        )
        told = _told(options, served)
        register = _registration(options, certificates, str(told["endpoint"]), token)
        certificates.on_renewal = register
        register()
        _write(told)  # whoever waits for it knows then how to speak to it
        ready(told)
        await stopping.wait()
        engine.is_closing = True
        await served.stop()


def _write(told: dict[str, object]) -> None:
    """Let others know where this gateway is. Raises StateError."""
    try:
        fd = open_folder(folder())
        try:
            write_whole(fd, RUNNING, json.dumps(told, indent=2).encode() + b"\n")
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(folder(), error) from error


def _told(options: Options, served: Running) -> dict[str, object]:
    endpoint = f"https://{served.tls}" if served.tls else f"http://{served.plaintext}"
    addresses = {"tls": served.tls, "plaintext": served.plaintext, "socket": served.socket}
    return {"pid": os.getpid(), "name": options.name, "endpoint": endpoint, **addresses}


def _registration(options: Options, certificates: Certificates, endpoint: str, token: str) -> Callable[[], None]:
    """Return what registers this gateway for its user's clients, also after a renewal. Raises StateError."""

    def register() -> None:
        if options.name is None:
            return
        if endpoint.startswith("https:"):
            client = certificates.client
            configuration.add(
                options.name,
                endpoint,
                auth_mode="mtls",
                ca=client.ca,
                certificate=client.certificate,
                key=client.key,
            )
        else:
            configuration.add(options.name, endpoint, auth_mode=configuration.BEARER, token=token)
        if configuration.active() is None:
            configuration.select(options.name)

    return register


def _make_mount_point() -> None:
    """Make an empty folder that sandboxes' own are mounted on. Without it they are seen where they are."""
    if os.geteuid() != 0 or os.path.lexists(MOUNT_POINT):
        return
    try:
        os.mkdir(MOUNT_POINT, 0o755)
    except OSError as error:
        LOG.warning("sandboxes' own folders are not shown at %s: %s", MOUNT_POINT, error.strerror)
    else:
        LOG.info("made %s, on which sandboxes' own folders are mounted", MOUNT_POINT)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


__all__ = ["AlreadyRunning", "Options", "run"]
