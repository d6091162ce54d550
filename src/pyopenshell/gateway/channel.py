"""A client's connection to a gateway that is configured: gRPC channels, blocking or for asyncio."""

from __future__ import annotations

import os
import stat

import grpc

from pyopenshell.errors import OpenShellError, StateError
from pyopenshell.gateway import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.gateway.configuration import Gateway


def connect(gateway: Gateway) -> grpc.Channel:
    """Return a blocking channel. It connects at its first call. Raises OpenShellError (``gateway.…``), StateError."""
    credentials, options = _prepared(gateway)
    if credentials is None:
        return grpc.insecure_channel(gateway.endpoint.target, options)
    return grpc.secure_channel(gateway.endpoint.target, credentials, options)


def connect_aio(gateway: Gateway) -> grpc.aio.Channel:
    """Return a channel for asyncio. It connects at its first call. Raises as ``connect``."""
    credentials, options = _prepared(gateway)
    if credentials is None:
        return grpc.aio.insecure_channel(gateway.endpoint.target, options)
    return grpc.aio.secure_channel(gateway.endpoint.target, credentials, options)


def _prepared(gateway: Gateway) -> tuple[grpc.ChannelCredentials | None, list[tuple[str, int | str]]]:
    endpoint = gateway.endpoint
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", 4 * limits.MESSAGE),
        ("grpc.keepalive_time_ms", limits.KEEPALIVE * 1000),
        ("grpc.keepalive_timeout_ms", limits.KEEPALIVE_ANSWER * 1000),
    ]
    if endpoint.loopback:
        options.append(("grpc.enable_http_proxy", 0))  # gRPC would ask the environment's proxy for our own host
    token = gateway.token()
    if endpoint.scheme == "https":
        credentials, name = _tls(gateway)
        if name is not None:
            options.append(("grpc.ssl_target_name_override", name))
    elif endpoint.scheme == "unix":
        check_socket(endpoint.host)
        credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    elif token is None:
        return None, options
    elif not endpoint.loopback:
        raise OpenShellError(
            f"the token is not sent to {endpoint} in plaintext", hint="use an https:// address", code="gateway.unsafe"
        )
    else:
        credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    if token is not None:
        credentials = grpc.composite_channel_credentials(credentials, grpc.metadata_call_credentials(_Bearer(token)))
    return credentials, options


class _Bearer(grpc.AuthMetadataPlugin):
    """Puts the token into each call."""

    def __init__(self, token: str) -> None:
        self._headers = (("authorization", f"Bearer {token}"),)

    def __call__(self, _context: object, callback: Callable[..., None]) -> None:
        callback(self._headers, None)


def _tls(gateway: Gateway) -> tuple[grpc.ChannelCredentials, str | None]:
    """Return the credentials, and the name to expect in the server's certificate where that is not the address."""
    roots, name = _read(gateway.ca), None
    if gateway.insecure:
        from pyopenshell.gateway import shown

        roots, name = shown.certificate_and_name(gateway.endpoint)
    return grpc.ssl_channel_credentials(roots, _read(gateway.key), _read(gateway.certificate)), name


def check_socket(path: str) -> None:
    """Raise OpenShellError unless a Unix socket is ours or root's, in a folder that only its owner can change.

    ``gateway.unreachable``: there is none. ``gateway.unsafe``: another user might answer.
    """
    folder = os.path.dirname(path)
    for place, kind in ((folder, stat.S_ISDIR), (path, stat.S_ISSOCK)):
        try:
            status = os.lstat(place)
        except OSError as error:
            raise OpenShellError(
                f"the gateway cannot be reached: {place}: {error.strerror}",
                hint="`openshell gateway start` starts a local one",
                code="gateway.unreachable",
            ) from error
        if not kind(status.st_mode):
            raise _unsafe(path, f"{place} is no {'folder' if place == folder else 'socket'}")
        if status.st_uid not in (0, os.geteuid()):
            raise _unsafe(path, f"{place} belongs to uid {status.st_uid}")
    if os.lstat(folder).st_mode & 0o022:
        raise _unsafe(path, f"others may write to {folder}")


def _unsafe(path: str, why: str) -> OpenShellError:
    return OpenShellError(
        f"the socket {path} is not spoken to: {why}",
        hint="a gateway's socket is yours or root's, in a folder of mode 0700",
        code="gateway.unsafe",
    )


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", hint="register the gateway again") from error
