"""The token's file, and how a client judges a socket before it speaks."""

import os
import socket
from typing import Any

import pytest

from pyopenshell.errors import OpenShellError, StateError
from pyopenshell.gateway import auth
from pyopenshell.gateway.channel import check_socket, connect
from pyopenshell.gateway.configuration import Gateway
from pyopenshell.gateway.endpoint import Endpoint


def test_a_token_is_kept(tmp_path):
    """The token is long, closed to others, and the same at the next start."""
    token = auth.own_token(str(tmp_path))
    assert (43, token, 0o600) == (
        len(token),
        auth.own_token(str(tmp_path)),
        (tmp_path / "token").stat().st_mode & 0o777,
    )


@pytest.mark.parametrize("damage", [b"", b"short\n", b"\xff" * 40, None])
def test_half_a_token_is_made_anew(tmp_path, damage):
    """A file that is missing, cut or no text is replaced: nobody is let in with an empty token."""
    first = auth.own_token(str(tmp_path))
    (tmp_path / "token").unlink() if damage is None else (tmp_path / "token").write_bytes(damage)
    second = auth.own_token(str(tmp_path))
    assert 43 == len(second)
    assert first != second


def test_a_token_that_is_a_link(tmp_path):
    """A symbolic link in the token's place is not read."""
    (tmp_path / "token").symlink_to("/etc/hostname")
    with pytest.raises(StateError):
        auth.own_token(str(tmp_path))


class Call:
    """A call over TLS: who its certificate names, and where it comes from."""

    def __init__(self, names, peer="ipv4:127.0.0.1:5"):
        self._names, self._peer = names, peer

    def auth_context(self):
        return {"transport_security_type": [b"ssl"], "x509_common_name": self._names}

    def peer(self):
        return self._peer


@pytest.mark.parametrize(
    ("peer", "is_local"),
    [
        ("ipv4:127.0.0.1:5", True),
        ("ipv6:%5B::1%5D:5", True),
        ("ipv6:[::1]:5", True),
        ("ipv4:10.0.0.1:5", False),
        ("ipv6:%5B2001:db8::1%5D:5", False),
        ("unknown", False),
    ],
)
def test_who_is_on_this_machine(peer, is_local):
    """Only who comes over the loopback may name folders of this host."""
    call: Any = Call([b"ann"], peer)
    found = auth.Doorkeeper(None, "me").admit(call)
    assert ("ann", "mtls", is_local) == (found.subject, found.provider, found.local)


@pytest.mark.parametrize("names", [[], [b""], [b"ann", b"bob"]])
def test_a_certificate_that_names_nobody(names):
    """Nor is one taken that names two."""
    call: Any = Call(names)
    with pytest.raises(OpenShellError, match="names nobody") as refused:
        auth.Doorkeeper(None, "me").admit(call)
    assert "auth.denied" == refused.value.code


@pytest.mark.parametrize(
    ("host", "is_sent"), [("127.0.0.1", True), ("[::1]", True), ("10.0.0.1", False), ("a.b", False)]
)
def test_a_token_is_not_sent_where_others_may_read_it(tmp_path, host, is_sent):
    """In plaintext it goes over the loopback alone."""
    pytest.importorskip("grpc", reason="needs: the extra gateway")
    file = tmp_path / "token.json"
    file.write_text('{"access_token": "secret"}')
    gateway = Gateway("far", Endpoint.parse(f"http://{host}:1"), "oidc", token_file=str(file))
    if is_sent:
        connect(gateway).close()
        return
    with pytest.raises(OpenShellError, match="not sent") as refused:
        connect(gateway)
    assert "gateway.unsafe" == refused.value.code


@pytest.fixture
def listening(tmp_path):
    """A socket that somebody listens on, in a folder of its own; gives its path."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    path = str(folder / "gateway.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        yield path


def test_our_own_socket(listening):
    """A socket of ours, in a folder of ours, is spoken to."""
    check_socket(listening)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root")
@pytest.mark.parametrize("whose", ["folder", "socket"])
def test_another_users_socket(listening, whose):
    """A socket of another user's, or in another user's folder, is not spoken to."""
    os.chown(os.path.dirname(listening) if whose == "folder" else listening, 1234, 1234)
    with pytest.raises(OpenShellError, match="belongs to uid 1234") as refused:
        check_socket(listening)
    assert "gateway.unsafe" == refused.value.code


def test_a_folder_that_others_may_write(listening):
    """Where others may put a socket of their own in its place, it is not spoken to."""
    os.chmod(os.path.dirname(listening), 0o777)
    with pytest.raises(OpenShellError, match="others may write") as refused:
        check_socket(listening)
    assert "gateway.unsafe" == refused.value.code


@pytest.mark.parametrize(
    ("kind", "code"), [("none", "gateway.unreachable"), ("file", "gateway.unsafe"), ("link", "gateway.unsafe")]
)
def test_what_is_no_socket(listening, kind, code):
    """A missing socket is a gateway that does not run; a file or a link is not followed."""
    path = f"{listening}.{kind}"
    if kind == "file":
        open(path, "w").close()
    elif kind == "link":
        os.symlink(listening, path)
    with pytest.raises(OpenShellError) as refused:
        check_socket(path)
    assert code == refused.value.code
