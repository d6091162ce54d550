"""Which gateways a person knows and which one is meant: OpenShell's own files, so that its other clients read them too.

``<config>/openshell/``: ``active_gateway`` (a name), ``gateways/<name>/metadata.json`` (``gateway_endpoint``,
``auth_mode``), ``gateways/<name>/mtls/{ca.crt,tls.crt,tls.key}``, ``gateways/<name>/oidc_token.json`` (a bearer token),
``last_sandbox``. Imports no gRPC: completions and `gateway list` need none.
"""

from __future__ import annotations

import json
import os
import string

from pyopenshell.errors import OpenShellError, StateError, UsageError
from pyopenshell.gateway import configured_files as files
from pyopenshell.gateway.endpoint import Endpoint
from pyopenshell.policy.problems import show
from pyopenshell.record import Record
from pyopenshell.state import config_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOCAL = "local"
"""The name under which the gateway of this host registers itself."""
MTLS, BEARER, PLAINTEXT = "mtls", "oidc", "plaintext"
"""Ways to be known to a gateway, as ``auth_mode`` says them: a certificate, a token, nothing."""
_NAME = frozenset(string.ascii_letters + string.digits + "._-")
_CA, _CERTIFICATE, _KEY, _TOKEN = "mtls/ca.crt", "mtls/tls.crt", "mtls/tls.key", "oidc_token.json"


class Gateway(Record):
    """A gateway and how to speak to it. The files are paths; None where there is none."""

    name: str | None
    endpoint: Endpoint
    auth_mode: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    token_file: str | None = None
    insecure: bool = False

    def token(self) -> str | None:
        """Return the bearer token to send, None where none is to be sent. Raises StateError.

        A local gateway's lies beside its socket.
        """
        if self.endpoint.scheme == "unix" and self.token_file is None:
            try:
                return files.read(f"{os.path.dirname(self.endpoint.host)}/token").strip() or None
            except FileNotFoundError:
                return None
        if self.token_file is None:
            return None
        try:
            token = _object(self.token_file).get("access_token")
        except FileNotFoundError:
            token = None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise StateError(f"{self.token_file} has no access_token", hint="register the gateway again")
        return token


def check_name(name: str) -> str:
    """Return a gateway's name. Raises UsageError unless it is 1 to 63 letters, digits, ``.``, ``_``, ``-``."""
    if 0 < len(name) <= 63 and _NAME.issuperset(name) and name[0] not in ".-":
        return name
    raise UsageError(
        f"{show(name)} cannot name a gateway",
        hint="use at most 63 letters, digits, '.', '_' and '-', and begin with a letter, a digit or '_'",
        code="gateway.name",
    )


def chosen(name: str | None = None, endpoint: str | None = None, *, insecure: bool = False) -> Gateway | None:
    """Return the gateway that is meant, None where none is configured.

    The name: as given (-g), else OPENSHELL_GATEWAY, else the active one. The address: as given (--gateway-endpoint),
    else OPENSHELL_GATEWAY_ENDPOINT, else the named gateway's. An address alone takes the files of the gateway that is
    registered with it. Raises UsageError; OpenShellError ``gateway.unknown``; StateError.
    """
    name = name or os.environ.get("OPENSHELL_GATEWAY") or None
    endpoint = endpoint or os.environ.get("OPENSHELL_GATEWAY_ENDPOINT") or None
    if endpoint is None:
        name = name or active()
        return load(name).replace(insecure=insecure) if name else None
    wanted = Endpoint.parse(endpoint)
    if name is not None:
        return load(name).replace(endpoint=wanted, insecure=insecure)
    for known in names():
        try:
            gateway = load(known)
        except OpenShellError:
            continue  # another gateway's files, which nobody asked about
        if gateway.endpoint == wanted:
            return gateway.replace(insecure=insecure)
    return Gateway(None, wanted, insecure=insecure)


def active() -> str | None:
    """Return the active gateway's name, None where there is none. Raises StateError, UsageError.

    Nor is there one for somebody who may not enter the folder: it is another user's, whose environment came along.
    """
    path = f"{config_root()}/active_gateway"
    try:
        name = files.read(path).strip()
    except FileNotFoundError:
        return None
    except StateError as error:
        if isinstance(error.__cause__, PermissionError) and not os.access(config_root(), os.X_OK):
            return None
        raise
    try:
        return check_name(name) if name else None
    except UsageError as error:
        raise StateError(f"{path}: {error.message}", hint="`openshell gateway select NAME` writes it anew") from None


def names() -> list[str]:
    """Return the names of all registered gateways, in order."""
    try:
        found = os.listdir(f"{config_root()}/gateways")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise files.unusable(error) from error
    return sorted(name for name in found if name and _NAME.issuperset(name) and name[0] not in ".-")


def load(name: str) -> Gateway:
    """Return a registered gateway. Raises OpenShellError ``gateway.unknown``, UsageError, StateError."""
    folder = f"{config_root()}/gateways/{check_name(name)}"
    try:
        told = _object(f"{folder}/metadata.json")
    except FileNotFoundError:
        raise unknown(name) from None
    endpoint, auth_mode = told.get("gateway_endpoint"), told.get("auth_mode")
    if not isinstance(endpoint, str):
        raise StateError(f"{folder}/metadata.json: gateway_endpoint is missing", hint="register the gateway again")
    try:
        address = Endpoint.parse(endpoint)
    except UsageError as error:
        raise StateError(f"{folder}/metadata.json: {error.message}", hint=error.hint) from None
    mode = auth_mode if isinstance(auth_mode, str) else None
    own = {part: _there(f"{folder}/{part}") for part in (_CA, _CERTIFICATE, _KEY)}
    whole = own[_CERTIFICATE] is not None and own[_KEY] is not None
    return Gateway(
        name,
        address,
        mode,
        own[_CA],
        own[_CERTIFICATE] if whole else None,
        own[_KEY] if whole else None,
        f"{folder}/{_TOKEN}" if mode == BEARER else None,
    )


def add(
    name: str,
    endpoint: str,
    *,
    auth_mode: str | None = None,
    ca: bytes | None = None,
    certificate: bytes | None = None,
    key: bytes | None = None,
    token: str | None = None,
) -> Gateway:
    """Register a gateway, or anew with other files; what is not given is removed. The metadata appear last.

    Raises UsageError for a name or an address that is none, StateError.
    """
    check_name(name)
    address = Endpoint.parse(endpoint)
    if (certificate is None) != (key is None):
        raise UsageError("a client certificate and its key belong together: give both or none")
    folder = f"{config_root()}/gateways/{name}"
    bundle = None if token is None else json.dumps({"access_token": token}).encode()
    # The key first: a certificate that is renewed keeps its key, so whoever reads in between finds two that fit.
    for part, data in ((_KEY, key), (_CERTIFICATE, certificate), (_CA, ca), (_TOKEN, bundle)):
        files.put(f"{folder}/{part}", data)
    told = {"name": name, "gateway_endpoint": str(address)} | ({"auth_mode": auth_mode} if auth_mode else {})
    files.put(f"{folder}/metadata.json", json.dumps(told, indent=2).encode() + b"\n")
    return load(name)


def remove(name: str) -> None:
    """Forget a gateway and its files; the active one is none then. Raises OpenShellError ``gateway.unknown``."""
    check_name(name)
    if not os.path.lexists(f"{config_root()}/gateways/{name}"):
        raise unknown(name)
    was_active = active() == name
    files.remove(f"{config_root()}/gateways", name)
    if was_active:
        files.put(f"{config_root()}/active_gateway", None)


def select(name: str) -> None:
    """Make a registered gateway the active one. Raises OpenShellError ``gateway.unknown``, UsageError, StateError."""
    load(name)
    files.put(f"{config_root()}/active_gateway", f"{name}\n".encode())


def last_sandbox() -> str | None:
    """Return the name of the sandbox that was used last, which commands without a name mean; None where none was."""
    try:
        return files.read(f"{config_root()}/last_sandbox").strip() or None
    except FileNotFoundError:
        return None


def remember_sandbox(name: str | None) -> None:
    """Remember the sandbox that was used last, or forget it. Raises StateError."""
    files.put(f"{config_root()}/last_sandbox", None if name is None else f"{name}\n".encode())


def unknown(name: str) -> OpenShellError:
    """Return the error for a gateway that is not registered."""
    known = ", ".join(names()) or "none"
    error = OpenShellError(
        f"no gateway is called {show(name)}",
        hint=f"registered: {known}; `openshell gateway add` registers one",
        code="gateway.unknown",
    )
    error.exit_code = 3
    return error


def _there(path: str) -> str | None:
    return path if os.path.exists(path) else None


def _object(path: str) -> dict[str, Any]:
    """Return what a JSON file says. Raises FileNotFoundError, StateError."""
    try:
        told = json.loads(files.read(path))
    except ValueError as error:
        raise StateError(f"{path} is not JSON: {error}", hint="register the gateway again") from None
    except RecursionError:
        raise StateError(f"{path} is not JSON that can be read", hint="register the gateway again") from None
    if not isinstance(told, dict):
        raise StateError(f"{path} holds no object", hint="register the gateway again")
    return told
