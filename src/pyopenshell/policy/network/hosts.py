"""Hosts and addresses of the network section."""

from __future__ import annotations

import _socket

from pyopenshell.policy.problems import show

_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")

# What no sandbox may reach through a rule, as family, first address and prefix length.
_FORBIDDEN = (
    ("127.0.0.0", 8, "loopback"),
    ("169.254.0.0", 16, "link-local"),
    ("0.0.0.0", 32, "unspecified"),  # noqa: S104  (refused, not bound)
    ("::1", 128, "loopback"),
    ("::", 128, "unspecified"),
    ("fe80::", 10, "link-local"),
    ("::ffff:127.0.0.0", 104, "loopback"),
    ("::ffff:169.254.0.0", 112, "link-local"),
    ("::ffff:0.0.0.0", 128, "unspecified"),
)


def check_host(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a host name, an address or a pattern for host names, or None.

    In a pattern ``*`` stands within the first label or is a whole later one but the last, ``**`` is the whole
    first label; a pattern has at least three labels, so that none covers a top-level domain.
    """
    if address(text) is not None:
        return None
    if "://" in text or "/" in text:
        return f"expected a host name, found {show(text)}", "write the host only; scheme and path do not belong here"
    if text.startswith("[") or (text.count(":") == 1 and text.rpartition(":")[2].isdigit()):
        return f"expected a host name, found {show(text)}", "write the port under 'port', and no brackets"
    if not text.isascii():
        return f"expected a host name in ASCII, found {show(text)}", "write its xn-- form"
    labels = text.lower().split(".")
    # A last label that is a number makes resolvers read the whole as an address: 127.1 is loopback.
    number = labels[-1].isdigit() or labels[-1].startswith("0x")
    if number or len(text) > 253 or not all(_is_label(label) for label in labels):
        return f"{show(text)} is not a host name", "letters, digits, '-' and '.'; patterns may have '*' labels"
    return _check_wildcards(text, labels) if "*" in text else None


def _is_label(label: str) -> bool:
    return 0 < len(label) <= 63 and _LABEL.issuperset(label.replace("*", "")) and label[0] != "-" != label[-1]


def _check_wildcards(text: str, labels: list[str]) -> tuple[str, str | None] | None:
    """Return what is wrong with the '*' in a host pattern, or None."""
    hint = "such as *.example.com or **.example.com"
    if len(labels) < 3 or "*" in labels[-1]:
        return f"{show(text)} covers too much: a pattern has at least three labels and a literal last one", hint
    if "**" in labels[0] and labels[0] != "**":
        return f"'**' must be the whole first label, found {show(text)}", hint
    if any("*" in label and label != "*" for label in labels[1:]):
        return f"after the first label '*' must be a whole label, found {show(text)}", "such as api.*.example.com"
    return None


def check_network(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with an address or a network in CIDR form, or None."""
    base, slash, length = text.partition("/")
    packed = address(base)
    digits = length.isdigit() and length.isascii() and len(length) <= 3
    if packed is None or (slash and not (digits and int(length) <= len(packed) * 8)):
        return f"expected an address or network, found {show(text)}", "such as 10.1.2.3, 10.0.0.0/8 or fd00::/8"
    size = len(packed) * 8
    prefix = int(length) if slash else size
    number = int.from_bytes(packed, "big")
    for forbidden, bits, kind in _FORBIDDEN:
        other = address(forbidden)
        if other is not None and len(other) == len(packed):
            shift = size - min(prefix, bits)
            if number >> shift == int.from_bytes(other, "big") >> shift:
                return f"{show(text)} contains {kind} addresses, which no rule can allow", "leave them out"
    return None


def address(text: str) -> bytes | None:
    """Return the packed IPv4 or IPv6 address, or None if ``text`` is none (inet_pton(3))."""
    if not text.isascii():
        return None
    try:
        return _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)
    except OSError:
        return None


def overlap(left: str, right: str) -> bool:
    """Return whether two host patterns can match the same name."""
    a, b = left.lower().split("."), right.lower().split(".")
    while a and b:
        if (a == ["**"] and b) or (b == ["**"] and a):
            return True
        last, other = a.pop(), b.pop()
        if last != other and not _labels_overlap(last, other):
            return False
    return not a and not b


def _labels_overlap(left: str, right: str) -> bool:
    """Return whether two labels, in which ``*`` stands for any characters, can match the same text."""
    if "*" not in right:
        left, right = right, left
    if "*" not in right:
        return left == right
    head, _, rest = right.partition("*")
    tail = rest.rpartition("*")[2]
    if "*" in left:
        # With a star on both sides whatever stands between the ends can be put one after the other.
        start, end = left.partition("*")[0], left.rpartition("*")[2]
        return _one_begins(start, head) and _one_begins(end[::-1], tail[::-1])
    middle = rest.rpartition("*")[0]
    if len(left) < len(head) + len(tail) or not left.startswith(head) or not left.endswith(tail):
        return False
    return _in_order(left[len(head) : len(left) - len(tail)], middle.split("*"))


def _one_begins(left: str, right: str) -> bool:
    return left.startswith(right) or right.startswith(left)


def _in_order(text: str, pieces: list[str]) -> bool:
    """Return whether ``pieces`` occur in ``text`` one after the other."""
    at = 0
    for piece in pieces:
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True
