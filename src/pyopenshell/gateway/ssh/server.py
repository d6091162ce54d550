"""The SSH server of one visit: asyncssh's, over a link instead of a socket.

The client showed its token before the first byte of SSH, over a stream that is encrypted and, but for a gateway that
was asked to do without, authenticated by certificates. SSH's own authentication is therefore passed over (method
``none``), and its user name chooses nothing: a sandbox has one identity. The host key still tells the client that it
speaks to this sandbox's gateway.
"""

from __future__ import annotations

import asyncio

import asyncssh

from pyopenshell.gateway.ssh import forward
from pyopenshell.gateway.ssh.program import SandboxSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pyopenshell.gateway.ssh.visit import Visit

CHANNELS = 64
"""Sessions and forwarded connections at a time, in one connection."""
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "chacha20-poly1305@openssh.com")
LOGIN, KEEPALIVE = 30, 30
"""Seconds for the handshake, and between questions whether the client is there (four times without an answer: no)."""

asyncssh.set_log_level("WARNING")  # its notes name commands and paths


class Server(asyncssh.SSHServer):
    """What asyncssh asks about a connection."""

    def __init__(self, visit: Visit) -> None:
        """Serve one visit."""
        self._visit = visit

    def begin_auth(self, username: str) -> bool:
        """Ask for nothing more: the token was checked."""
        return False

    def session_requested(self) -> SandboxSession:
        """Open a session."""
        self._check()
        return SandboxSession(self._visit)

    def connection_requested(
        self,
        dest_host: str,
        dest_port: int,
        orig_host: str,
        orig_port: int,
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        """Connect to a port inside."""
        self._check()
        return forward.open_channel(self._visit, dest_host, dest_port)

    def unix_connection_requested(self, dest_path: str) -> bool:
        """Refuse."""
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "sockets in the sandbox's file system are not forwarded"
        )

    def _check(self) -> None:
        if self._visit.channels >= CHANNELS:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, f"a connection has {CHANNELS} channels at most"
            )


async def serve(visit: Visit, host_key: bytes) -> asyncssh.SSHServerConnection:
    """Start the server of a visit on its link. What the client sends is for ``data_received`` of what this returns."""
    options = await asyncssh.SSHServerConnectionOptions.construct(
        server_factory=lambda: Server(visit),
        server_host_keys=[asyncssh.import_private_key(host_key)],
        server_version="openshell",
        config=None,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        host_based_auth=False,
        kbdint_auth=False,
        password_auth=False,
        public_key_auth=False,
        compression_algs=["none"],  # a small message must not become a large one
        encryption_algs=list(CIPHERS),
        login_timeout=LOGIN,
        keepalive_interval=KEEPALIVE,
        keepalive_count_max=4,
    )
    connection = asyncssh.SSHServerConnection(asyncio.get_running_loop(), options)
    visit.close = lambda reason: connection.disconnect(asyncssh.DISC_BY_APPLICATION, reason)
    connection.connection_made(visit.link)
    return connection
