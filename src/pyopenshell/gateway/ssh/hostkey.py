"""The SSH host key of each sandbox: Ed25519, derived from one secret of the gateway's and the sandbox's id.

So a sandbox keeps its key for life, two never have the same, and there is one file to keep. The key never enters a
sandbox: the gateway is the server.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pyopenshell.errors import StateError
from pyopenshell.state import open_folder, unusable, write_whole

FILE = "ssh-host-secret"
_SIZE = 32
_KIND = b"ssh-ed25519"
_REMEMBERED = 4096


class HostKeys:
    """The keys of all sandboxes of a gateway."""

    def __init__(self, secret: bytes) -> None:
        """Take the gateway's secret (32 bytes)."""
        self._secret = secret
        self._fingerprints: dict[str, str] = {}

    @classmethod
    def load(cls, folder: str) -> HostKeys:
        """Read the secret from a folder of ours; the first time, make it (mode 0600). Raises StateError."""
        path = f"{folder}/{FILE}"
        try:
            fd = open_folder(folder)
            try:
                secret = _read(fd)
                if secret is None:
                    secret = secrets.token_bytes(_SIZE)
                    write_whole(fd, FILE, secret)
            finally:
                os.close(fd)
        except OSError as error:
            raise unusable(folder, error) from error
        if len(secret) != _SIZE:
            raise StateError(
                f"{path} is damaged: it has {len(secret)} bytes instead of {_SIZE}",
                hint="remove it: sandboxes then get new SSH host keys, which clients of ours learn by themselves",
            )
        return cls(secret)

    def private(self, sandbox_id: str) -> bytes:
        """Return a sandbox's private key, as OpenSSH writes it."""
        return self._key(sandbox_id).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )

    def public(self, sandbox_id: str) -> str:
        """Return a sandbox's public key, as a line of a known_hosts file has it: its kind, and base64."""
        return f"{_KIND.decode()} {base64.b64encode(self._blob(sandbox_id)).decode()}"

    def fingerprint(self, sandbox_id: str) -> str:
        """Return the SHA-256 of the public key, as ssh-keygen -l shows it."""
        known = self._fingerprints.get(sandbox_id)
        if known is None:
            if len(self._fingerprints) >= _REMEMBERED:
                self._fingerprints.clear()
            digest = hashlib.sha256(self._blob(sandbox_id)).digest()
            known = self._fingerprints[sandbox_id] = f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
        return known

    def _key(self, sandbox_id: str) -> Ed25519PrivateKey:
        seed = HKDF(hashes.SHA256(), _SIZE, salt=None, info=b"pyopenshell ssh host key\0" + sandbox_id.encode())
        return Ed25519PrivateKey.from_private_bytes(seed.derive(self._secret))

    def _blob(self, sandbox_id: str) -> bytes:
        """Return the public key as SSH sends it (RFC 8709, section 4)."""
        raw = self._key(sandbox_id).public_key().public_bytes_raw()
        return b"".join(len(part).to_bytes(4, "big") + part for part in (_KIND, raw))


def _read(folder: int) -> bytes | None:
    try:
        fd = os.open(FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, _SIZE + 1)
    finally:
        os.close(fd)
