"""The gateway's certificates: what is kept, when each is renewed, and how what is damaged is mended."""

import fcntl
import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pyopenshell import state
from pyopenshell.errors import StateError, UsageError
from pyopenshell.gateway import certificates as certificates_module
from pyopenshell.gateway.certificates import Certificates

NOW = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
DAY = 86400.0


@pytest.fixture
def folder(tmp_path):
    """Where the certificates lie; does not exist yet."""
    return tmp_path / "gateway/tls"


class Clock:
    """A clock that is set."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def made(folder, now=NOW, **options):
    """The certificates at a time."""
    return Certificates(str(folder), "me", clock=lambda: now, **options)


def parsed(pem):
    return x509.load_pem_x509_certificate(pem)


def life(pem, now=NOW):
    """In how many days a certificate ends."""
    return round((parsed(pem).not_valid_after_utc.timestamp() - now) / DAY)


def test_the_first_start(folder):
    """An authority of ten years, two certificates of at most one, in files closed to others."""
    certificates = made(folder)
    assert [3649, 364, 364] == [
        life(pem) for pem in (certificates.server.ca, certificates.server.certificate, certificates.client.certificate)
    ]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert (0o700, 6) == (folder.stat().st_mode & 0o777, len(list(folder.iterdir())))
    names = parsed(certificates.server.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert ["localhost"] == names.value.get_values_for_type(x509.DNSName)
    assert ["127.0.0.1", "::1"] == [str(address) for address in names.value.get_values_for_type(x509.IPAddress)]


def shake_hands(folder, server, client):
    """Let OpenSSL, another implementation than gRPC's, speak TLS with two of the folder's certificates."""
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=folder / "ca.crt")
    for context, name in zip(contexts, (server, client), strict=True):
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    contexts[0].verify_mode = ssl.CERT_REQUIRED
    contexts[0].load_verify_locations(folder / "ca.crt")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        contexts[1].wrap_bio(down, up, server_hostname="localhost"),
        contexts[0].wrap_bio(up, down, server_side=True),
    )
    for _ in range(3):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return (sides[1].getpeercert() or {})["subject"]


def test_openssl_agrees(folder):
    """Each certificate is good for its purpose alone, also by the strict rules of RFC 5280."""
    made(folder, datetime.now(UTC).timestamp())
    assert ((("commonName", "me"),),) == shake_hands(folder, "server", "client")
    for server, client in (("client", "client"), ("server", "server")):
        with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
            shake_hands(folder, server, client)


def test_another_start_keeps_everything(folder):
    """Nothing is made anew while it is good: every byte of every file stays."""
    made(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    made(folder, NOW + 240 * DAY)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_renewal_with_a_third_left(folder):
    """After two thirds of their life certificates are new, with the keys they had and beneath the same authority."""
    first, second = made(folder), made(folder, NOW + 245 * DAY)
    assert (first.server.ca, first.server.key, first.client.key) == (
        second.server.ca,
        second.server.key,
        second.client.key,
    )
    assert [364, 364] == [life(keys.certificate, NOW + 245 * DAY) for keys in (second.server, second.client)]


def test_an_authority_is_renewed_with_its_key(folder):
    """A certificate of a renewed authority is good for whoever has the authority's older certificate."""
    old, new = made(folder), made(folder, NOW + 9 * 365 * DAY)
    assert old.server.ca != new.server.ca
    parsed(new.server.certificate).verify_directly_issued_by(parsed(old.server.ca))


@pytest.mark.parametrize("year", [1971, 2000, 2029, 2200])
def test_a_clock_that_jumps(folder, year):
    """Whatever the clock says, the certificates are valid by it, and again when it is set right."""
    made(folder)
    for now in (datetime(year, 1, 1, tzinfo=UTC).timestamp(), NOW):
        certificates = made(folder, now)
        when = datetime.fromtimestamp(now, UTC)
        for pem in (certificates.server.ca, certificates.server.certificate, certificates.client.certificate):
            assert parsed(pem).not_valid_before_utc <= when < parsed(pem).not_valid_after_utc - timedelta(days=100)
        parsed(certificates.client.certificate).verify_directly_issued_by(parsed(certificates.server.ca))


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "garbage", "another"])
@pytest.mark.parametrize("name", ["ca.key", "ca.crt", "server.key", "server.crt", "client.key", "client.crt"])
def test_what_is_damaged_is_mended(folder, tmp_path, name, damage):
    """Whatever happened to one file, the next start has three certificates that fit; the authority stays if it can."""
    before = made(folder)
    made(tmp_path / "other")
    path = folder / name
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "garbage": b"\0" * 50,
        "another": (tmp_path / "other" / name).read_bytes(),
    }
    path.unlink() if damage == "missing" else path.write_bytes(content[damage])
    after = made(folder)
    for keys in (after.server, after.client):
        parsed(keys.certificate).verify_directly_issued_by(parsed(keys.ca))
        key = parsed(keys.certificate).public_key()
        assert key == load_pem_private_key(keys.key, None).public_key()
    same_key = parsed(before.server.ca).public_key() == parsed(after.server.ca).public_key()
    assert same_key == (name != "ca.key")


def test_other_names_and_another_user(folder):
    """A server that is to be known by another name, and a user who is called otherwise, get other certificates."""
    made(folder)
    other = Certificates(str(folder), "somebody" * 20, names=["box.example", "10.0.0.1"], clock=lambda: NOW)
    names = parsed(other.server.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ["localhost", "box.example"] == names.get_values_for_type(x509.DNSName)
    assert "CN=" + ("somebody" * 20)[:64] == parsed(other.client.certificate).subject.rfc4514_string()


@pytest.mark.parametrize("name", ["", "a b", "ü.example", "a:5", "https://a", "-a", "a" * 254, "a\n"])
def test_names_that_are_none(folder, name):
    """What cannot be a host's name is refused before anything is made."""
    with pytest.raises(UsageError, match="cannot be a name in a certificate"):
        made(folder, names=[name])


def test_copies_that_cannot_be_written_are_written_later(folder, monkeypatch):
    """A renewal of which somebody could not be told is told at the next look, though nothing is due any more."""
    monkeypatch.setattr(certificates_module, "_AGAIN", 0.0)
    clock, told = Clock(), []
    certificates = Certificates(str(folder), "me", clock=clock)

    def copies():
        told.append(certificates.client)
        if len(told) == 1:
            raise StateError("full")

    certificates.on_renewal = copies
    clock.now += 300 * DAY
    assert [False, True, False] == [certificates.refresh() for _ in range(3)]
    assert [certificates.client] * 2 == told


def test_renewal_while_it_runs(folder):
    """A gateway that runs renews what is due when it is looked at, and tells whoever keeps copies."""
    clock, told = Clock(), []
    certificates = Certificates(str(folder), "me", clock=clock)
    certificates.on_renewal = lambda: told.append(certificates.client)
    before = certificates.server
    assert (False, before, []) == (certificates.refresh(), certificates.server, told)
    clock.now += 300 * DAY
    assert certificates.refresh()
    assert before != certificates.server
    assert [certificates.client] == told
    assert certificates.refresh() is False


def test_a_renewal_that_fails_keeps_what_there_is(folder, caplog):
    """A folder that has gone bad does not end the gateway: it is logged once, and what was is in use."""
    clock = Clock()
    certificates = Certificates(str(folder), "me", clock=clock)
    before = certificates.server
    clock.now += 300 * DAY
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("")
    assert [False, False] == [certificates.refresh(), certificates.refresh()]
    assert before == certificates.server
    assert 1 == caplog.text.count("cannot be renewed everywhere")


@pytest.mark.parametrize("spoil", ["file", "link", "open"])
def test_a_folder_that_cannot_be_used(folder, tmp_path, spoil):
    """A folder that is none, or open to others, is one clear error."""
    folder.parent.mkdir(parents=True)
    if spoil == "file":
        folder.write_text("")
    elif spoil == "link":
        (tmp_path / "real").mkdir()
        folder.symlink_to(tmp_path / "real")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(StateError, match="tls"):
        made(folder)


def test_a_key_that_is_a_link_is_not_followed(folder, tmp_path):
    """A symbolic link in a key's place is refused, not written through."""
    made(folder)
    (folder / "ca.key").unlink()
    (folder / "ca.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="tls"):
        made(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_made_while_another_makes_it(folder, monkeypatch):
    """The folder is locked while it is read and written: another start waits, and gives up with a clear error."""
    made(folder)
    monkeypatch.setattr(state, "_PATIENCE", 0.01)
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(StateError, match="another process has held the lock"):
            made(folder)
    finally:
        os.close(other)


def test_two_starts_at_once(folder):
    """Gateways that start in the same moment make one authority between them."""
    program = (
        "import sys; from pyopenshell.gateway.certificates import Certificates;"
        "sys.stdout.buffer.write(Certificates(sys.argv[1], 'me').server.ca)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, env=os.environ)
        for _ in range(2)
    ]
    outputs = {process.communicate(timeout=30)[0] for process in both}
    assert 1 == len(outputs)
    assert b"BEGIN CERTIFICATE" in outputs.pop()
