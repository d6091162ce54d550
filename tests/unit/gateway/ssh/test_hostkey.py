"""Host keys: each sandbox's own, the same for its life, and known to OpenSSH."""

import os
import shutil
import subprocess

import asyncssh
import pytest

from pyopenshell.errors import StateError
from pyopenshell.gateway.ssh.hostkey import FILE, HostKeys


@pytest.fixture
def folder(tmp_path):
    """Where a gateway keeps its secret."""
    return str(tmp_path / "gateway")


def test_kept(folder):
    """A gateway that starts again has the same keys; nobody else can read the secret."""
    first, second = HostKeys.load(folder), HostKeys.load(folder)
    assert first.public("one") == second.public("one")
    assert 0o600 == os.stat(f"{folder}/{FILE}").st_mode & 0o777


def test_each_its_own(folder, tmp_path):
    """Sandboxes have different keys, and so do gateways."""
    keys, others = HostKeys.load(folder), HostKeys.load(str(tmp_path / "other"))
    assert 4 == len({keys.public("one"), keys.public("two"), others.public("one"), others.public("two")})


def test_parts_belong_together(folder):
    """Private key, public key and fingerprint are those of one key, as the SSH library has it."""
    keys = HostKeys.load(folder)
    key = asyncssh.import_private_key(keys.private("one"))
    assert keys.public("one") == key.export_public_key().decode().strip()
    assert keys.fingerprint("one") == key.get_fingerprint() == keys.fingerprint("one")


def test_as_openssh_shows_it(folder, tmp_path):
    """ssh-keygen shows the fingerprint that clients of the protocol are told."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs: openssh-client")
    keys = HostKeys.load(folder)
    line = tmp_path / "key.pub"
    line.write_text(keys.public("one"))
    shown = subprocess.run(["ssh-keygen", "-l", "-f", line], capture_output=True, text=True, check=True).stdout
    assert keys.fingerprint("one") == shown.split()[1]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_damaged(folder, content):
    """A secret that is none is not replaced silently."""
    HostKeys.load(folder)
    with open(f"{folder}/{FILE}", "wb") as file:
        file.write(content)
    with pytest.raises(StateError, match="damaged"):
        HostKeys.load(folder)


def test_a_link_is_not_followed(folder, tmp_path):
    """Where somebody put a link in its place, the secret is not read from there."""
    HostKeys.load(folder)
    (tmp_path / "known").write_bytes(b"k" * 32)
    os.unlink(f"{folder}/{FILE}")
    os.symlink(tmp_path / "known", f"{folder}/{FILE}")
    with pytest.raises(StateError):
        HostKeys.load(folder)
