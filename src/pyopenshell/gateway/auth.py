"""Who calls. A certificate of this gateway's authority, or the token that lies in the state folder (decision 0019).

gRPC tells a server nothing about the process behind a Unix socket, and the file modes of the socket let in whoever has
the same uid: on hosts without mount namespaces a sandbox of that user. What such a sandbox cannot do is read the state
folder. So the token is asked for on the socket, and on a plaintext port as well.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextvars import ContextVar

from pyopenshell.errors import OpenShellError
from pyopenshell.record import Record
from pyopenshell.state import lock, open_folder, unusable, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from grpc.aio import ServicerContext

TOKEN = "token"  # noqa: S105 - a name of a file
"""The token's file in the gateway's folder."""
_HEADER, _SCHEME = "authorization", "Bearer "


class Caller(Record):
    """Who calls: ``subject`` as in the certificate, or the user of the token; ``provider`` is how it is known."""

    subject: str
    provider: str
    roles: tuple[str, ...] = ("admin",)
    local: bool = True


_CALLER: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Return who makes the call that is being answered. Only for the handlers of calls."""
    return _CALLER.get()


class Doorkeeper:
    """Lets calls in, or raises why not."""

    def __init__(self, token: str | None, user: str) -> None:
        """Take the token, None for a gateway with certificates alone, and the user it stands for."""
        self._expected = None if token is None else (_SCHEME + token).encode()
        self._by_token = Caller(user, "token")

    def admit(self, context: ServicerContext[Any, Any]) -> Caller:
        """Return who calls, and remember it for ``caller``. Raises OpenShellError ``auth.missing``, ``auth.denied``."""
        proof = context.auth_context()
        if proof.get("transport_security_type") == [b"ssl"]:
            found = self._certified(proof, context.peer())
        else:
            found = self._bearer(context)
        _CALLER.set(found)
        return found

    def _certified(self, proof: Mapping[str, Iterable[bytes]], peer: str) -> Caller:
        """Return whom the certificate names. gRPC has verified it: without a good one there is no connection."""
        names = list(proof.get("x509_common_name", ()))
        if len(names) != 1 or not names[0]:
            raise OpenShellError("the client certificate names nobody", code="auth.denied")
        local = peer.startswith(("ipv4:127.", "ipv6:%5B::1%5D", "ipv6:[::1]"))
        return Caller(names[0].decode("utf-8", "replace"), "mtls", local=local)

    def _bearer(self, context: ServicerContext[Any, Any]) -> Caller:
        given = [value for key, value in context.invocation_metadata() or () if key == _HEADER]
        if not given:
            raise OpenShellError(
                "this address wants the gateway's token",
                hint="send it as `authorization: Bearer TOKEN`; it lies in the gateway's state folder",
                code="auth.missing",
            )
        one = given[0].encode() if isinstance(given[0], str) else given[0]
        if self._expected is None or len(given) != 1 or not hmac.compare_digest(one, self._expected):
            raise OpenShellError("this is not the gateway's token", code="auth.missing")
        return self._by_token


def own_token(folder: str) -> str:
    """Return the gateway's token, made at its first start; whoever removes the file revokes it. Raises StateError."""
    try:
        fd = open_folder(folder)
        try:
            lock(fd, folder)
            try:
                with open(os.open(TOKEN, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd), "rb") as file:
                    token = file.read(4096).decode("ascii", "replace").strip()
            except FileNotFoundError:
                token = ""
            if len(token) < 32 or not token.isascii() or not token.isprintable():  # missing, or half a one
                token = secrets.token_urlsafe(32)
                write_whole(fd, TOKEN, token.encode() + b"\n")
            return token
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(folder, error) from error
