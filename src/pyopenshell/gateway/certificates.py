"""The gateway's certificates: an authority of its own, one certificate for the server, one for the local user.

They lie in ``<state>/openshell/gateway/tls`` and are made at the first start. Each is renewed when a third of its life
is left, also while the gateway runs, and mended when it is missing, damaged, of another authority or not valid by
today's clock. A renewal keeps the key: whoever read half of the files before still has two that fit, and a certificate
of a renewed authority is good for clients that know the older one. ECDSA P-256, because gRPC's TLS takes no Ed25519
(decision 0019).
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from datetime import UTC, datetime

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway import issuing
from pyopenshell.record import Record
from pyopenshell.state import lock, open_folder, unusable, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    import grpc
    from cryptography.x509 import Certificate

NAMES = ("localhost", "127.0.0.1", "::1")
"""What the server's certificate is always good for."""
_AGAIN = 3600.0
"""Seconds from one look at what is due to the next, and after a renewal that failed to the next try."""
_LOG = logging.getLogger("pyopenshell.gateway")


class Keys(Record):
    """What one side of a connection needs, as PEM: the authority's certificate, its own, and the key of that."""

    ca: bytes
    certificate: bytes
    key: bytes


class Certificates:
    """The certificates of a gateway, as good as new whenever asked for. Of use to several threads."""

    def __init__(
        self, folder: str, user: str, *, names: Iterable[str] = (), clock: Callable[[], float] = time.time
    ) -> None:
        """Read what the folder has; make, renew and mend the rest. ``names`` are more hosts the server is known by.

        Raises StateError where the folder cannot be used, UsageError for a name that is none.
        """
        self._folder = folder
        self._server = issuing.Wanted("openshell gateway", server=True, names=tuple(dict.fromkeys((*NAMES, *names))))
        self._client = issuing.Wanted(user[:64] or "user", server=False)
        self._clock = clock
        self._guard = threading.Lock()
        self._retry = 0.0
        self._is_untold = False
        self.on_renewal: Callable[[], None] = lambda: None
        """Called after a renewal, by whatever thread found it due: here the user's own copies are written."""
        self._renew()

    def refresh(self) -> bool:
        """Renew what is due, and return whether anything was. A failure is logged, and what was stays in use."""
        with self._guard:
            is_due = not self._first <= self._now() < self._due
            if not (is_due or self._is_untold) or time.monotonic() < self._retry:
                return False
            try:
                if is_due:
                    self._renew()
                    self._is_untold = True
                self.on_renewal()
                self._is_untold = False
            except OpenShellError as error:
                self._retry = time.monotonic() + _AGAIN
                _LOG.error("the certificates are due, and cannot be renewed everywhere: %s", error.message)
                return False
            return True

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a server takes: the certificate as it is at each connection, clients' certificates required."""
        import grpc

        def configuration(keys: Keys) -> grpc.ServerCertificateConfiguration:
            return grpc.ssl_server_certificate_configuration([(keys.key, keys.certificate)], keys.ca)

        served = self.server

        def newer() -> grpc.ServerCertificateConfiguration | None:  # None: as before
            nonlocal served
            self.refresh()
            before, served = served, self.server
            return None if served is before else configuration(served)

        dynamic: Any = grpc.dynamic_ssl_server_credentials  # its type does not know of None
        credentials: grpc.ServerCredentials = dynamic(configuration(served), newer, require_client_authentication=True)
        return credentials

    async def upkeep(self) -> None:
        """Renew what is due, for as long as it is awaited, also where nobody connects."""
        while True:
            await asyncio.sleep(_AGAIN)
            await asyncio.to_thread(self.refresh)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _renew(self) -> None:
        try:
            fd = open_folder(self._folder)
            try:
                lock(fd, self._folder)
                self._load(fd, self._now())
            finally:
                os.close(fd)
        except OSError as error:
            raise unusable(self._folder, error) from error

    def _load(self, folder: int, now: datetime) -> None:
        """Read the files, writing those that do not do. ``folder`` is locked. Raises OSError."""
        key_file = _read(folder, "ca.key")
        key = issuing.parse_key(key_file)
        ca = issuing.parse(_read(folder, "ca.crt"))
        if key is None:
            if key_file or ca is not None:
                _LOG.warning("the authority's key is missing or damaged: it is new, and clients need new certificates")
            key = issuing.new_key()
            write_whole(folder, "ca.key", issuing.key_pem(key))
        if ca is None or not issuing.good(ca, ca, key, now):
            ca = issuing.authority(key, now)
            write_whole(folder, "ca.crt", issuing.pem(ca))

        def leaf(what: str, wanted: issuing.Wanted) -> tuple[Certificate, Keys]:
            own = issuing.parse_key(_read(folder, f"{what}.key"))
            if own is None:
                own = issuing.new_key()
                write_whole(folder, f"{what}.key", issuing.key_pem(own))
            found = issuing.parse(_read(folder, f"{what}.crt"))
            if found is None or not (issuing.good(found, ca, own, now) and issuing.says(found, wanted)):
                found = issuing.issue(wanted, own, ca, key, now)
                write_whole(folder, f"{what}.crt", issuing.pem(found))
            return found, Keys(issuing.pem(ca), issuing.pem(found), issuing.key_pem(own))

        server, self.server = leaf("server", self._server)
        client, self.client = leaf("client", self._client)
        spans = [issuing.span(certificate) for certificate in (ca, server, client)]
        self._first, self._due = max(first for first, _ in spans), min(due for _, due in spans)


def _read(folder: int, filename: str) -> bytes:
    """Return a file of the folder, nothing where it is missing. Raises OSError for one that cannot be read."""
    try:
        with open(os.open(filename, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb") as file:
            return file.read(1 << 16)
    except FileNotFoundError:
        return b""
