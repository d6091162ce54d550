"""``process``: what a user or group may be called. Whether it exists is asked when the sandbox is launched."""

from __future__ import annotations

from pyopenshell.policy.problems import show

MAX_ID = 2**32 - 2
"""The largest uid; 2**32 - 1 means "unchanged" to setresuid(2)."""
MAX_NAME = 256
"""Characters of a name (LOGIN_NAME_MAX of Linux)."""


def check_user(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a user name or uid, or None."""
    return _check(text, "uid", "user")


def check_group(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a group name or gid, or None."""
    return _check(text, "gid", "group")


def _check(text: str, number: str, noun: str) -> tuple[str, str | None] | None:
    digits = text.removeprefix("-")
    if text == "root" or (digits.isdigit() and not digits.strip("0")):
        return f"a sandbox never runs as {number} 0 ({show(text)})", f"name an ordinary {noun}, or remove the key"
    if digits.isdigit():
        # Digits of other scripts are refused too: int() would read them, as 0 for one.
        if digits != text or not digits.isascii() or digits[0] == "0" or len(digits) > 10 or int(digits) > MAX_ID:
            return f"expected a {noun} name, or a {number} from 1 to {MAX_ID}, found {show(text)}", None
        return None
    if len(text) > MAX_NAME or text[0] in "+-" or any(c in ":/," or c.isspace() for c in text):
        return f"{show(text)} cannot be a {noun} name", None
    return None
