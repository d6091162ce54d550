"""What a gateway shows before it is trusted: for --gateway-insecure, and to say why there is no connection."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pyopenshell.errors import OpenShellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.gateway.configuration import Gateway
    from pyopenshell.gateway.endpoint import Endpoint

_TIME = 10.0
"""Seconds that a gateway has to show its certificate."""


def certificate_and_name(endpoint: Endpoint) -> tuple[bytes, str]:
    """Return the certificate (PEM) that whoever answers shows, unverified, and a name that it has.

    gRPC cannot leave the verification out, so it is told to expect just this. The server shows its certificate before
    it asks for ours (TLS 1.3). Raises OpenShellError ``gateway.unreachable``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), _TIME) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host) as connection,
        ):
            data = connection.getpeercert(binary_form=True) or b""
    except OSError as error:  # ssl.SSLError is one
        raise OpenShellError(
            f"the gateway cannot be reached: {endpoint}: {error.strerror or error}", code="gateway.unreachable"
        ) from error
    return ssl.DER_cert_to_PEM_cert(data).encode(), _name(data) or endpoint.host


def _name(certificate: bytes) -> str | None:
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None
    found = [str(name) for kind in (x509.DNSName, x509.IPAddress) for name in names.get_values_for_type(kind)]
    return found[0].replace("*", "any") if found else None


def why_unreachable(gateway: Gateway) -> str | None:
    """Return what certificates have to do with a gateway that cannot be reached, None where nothing is found.

    Of a connection that the other side ends, gRPC says no more than that. Asks the gateway once more.
    """
    if gateway.endpoint.scheme != "https" or gateway.ca is None:
        return None
    loaded = []
    for path in (gateway.ca, gateway.certificate):
        try:
            loaded.append(_load(path))
        except OSError as error:
            return f"{path}: {error.strerror}"
        except ValueError:
            return f"{path} is no certificate"
    authority, own = loaded
    try:
        shown = certificate_and_name(gateway.endpoint)[0]
        server = x509.load_pem_x509_certificate(shown)
    except (ValueError, OpenShellError):
        return None
    now = datetime.now(UTC)
    for what, one in ((gateway.ca, authority), (gateway.certificate, own), ("the gateway's certificate", server)):
        if one is not None and not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            since, until = one.not_valid_before_utc, one.not_valid_after_utc
            return f"{what} is valid from {since:%Y-%m-%d} to {until:%Y-%m-%d}, and here it is {now:%Y-%m-%d}"
    if authority is not None and not _issued(server, authority):
        return f"its certificate is not of the authority in {gateway.ca}"
    if own is None:
        return "no client certificate is registered for it"
    if authority is not None and not _issued(own, authority):
        return f"{gateway.certificate} is not of the authority in {gateway.ca}"
    return None


def _load(path: str | None) -> x509.Certificate | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
