"""X.509 for the gateway's certificates: making them, and judging those that are there. Touches no files."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pyopenshell.errors import UsageError
from pyopenshell.policy.problems import show
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

    Key = ec.EllipticCurvePrivateKey

AUTHORITY, LEAF = timedelta(days=3650), timedelta(days=365)
"""How long the authority and the others live."""
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_BEFORE = timedelta(days=1)
"""A certificate is valid since a day already: clocks are set back."""


class Wanted(Record):
    """What a certificate is to say: whom it names, whether it is a server's, and for which hosts."""

    common_name: str
    server: bool
    names: tuple[str, ...] = ()

    @property
    def extensions(self) -> tuple[x509.ExtensionType, ...]:
        """The extensions in which servers' and clients' certificates differ."""
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if self.server else ExtendedKeyUsageOID.CLIENT_AUTH
        names = [x509.SubjectAlternativeName([_general(name) for name in self.names])] if self.names else []
        return (x509.ExtendedKeyUsage([purpose]), *names)


def new_key() -> Key:
    """Return a new ECDSA P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def authority(key: Key, now: datetime) -> Certificate:
    """Return a certificate for an authority. Its name comes from the key: no two authorities share one."""
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    name = _name(f"openshell gateway authority {hashlib.sha256(public).hexdigest()[:16]}")
    return (
        _builder(name, name, key, now, AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def issue(wanted: Wanted, key: Key, ca: Certificate, ca_key: Key, now: datetime) -> Certificate:
    """Return a certificate of the authority for a key."""
    builder = (
        _builder(_name(wanted.common_name), ca.subject, key, now, LEAF)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    for extension in wanted.extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def span(certificate: Certificate) -> tuple[datetime, datetime]:
    """Return since when a certificate is valid and when it is to be renewed: with a third of its life left."""
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return first, last - (last - first) / 3


def good(certificate: Certificate, ca: Certificate, key: Key, now: datetime) -> bool:
    """Return whether a certificate is this authority's, for this key, valid and not to be renewed yet."""
    first, due = span(certificate)
    try:
        certificate.verify_directly_issued_by(ca)
        return certificate.public_key() == key.public_key() and first <= now < due
    except (ValueError, TypeError, InvalidSignature):
        return False


def says(certificate: Certificate, wanted: Wanted) -> bool:
    """Return whether a certificate says what it is to say."""
    try:
        return certificate.subject == _name(wanted.common_name) and all(
            certificate.extensions.get_extension_for_class(type(extension)).value == extension
            for extension in wanted.extensions
        )
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def parse(data: bytes) -> Certificate | None:
    """Return the certificate of a PEM file, None for what is none."""
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        return None


def parse_key(data: bytes) -> Key | None:
    """Return the key of a PEM file, None for what is no key of our kind."""
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1) else None


def pem(certificate: Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Key) -> bytes:
    """Return a key as PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now - _BEFORE + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise UsageError(
            f"{show(name)} cannot be a name in a certificate", hint="give a host's name or address, without a port"
        )
    return x509.DNSName(name)
