"""Amounts of processors and memory as people write them: Kubernetes' quantities, ``500m``, ``2``, ``1Gi``, ``512M``.

Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity.
"""

from __future__ import annotations

from pyopenshell.errors import UsageError

BINARY = {unit: 1 << 10 * power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), 1)}
DECIMAL = {unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T", "P"), 1)}
UNITS = {**BINARY, **DECIMAL, "": 1}
CPU_HINT = "write a number of CPUs such as 2 or 0.5, or thousandths of one, such as 500m"
MEMORY_HINT = "write a number of bytes, with a unit if that is shorter: 512Mi, 1Gi, 500M"
MOST_DIGITS = 18


def cpu(text: str) -> float:
    """Return a number of CPUs: ``2``, ``0.5``, or ``500m`` for half of one. Raises UsageError."""
    milli = text.endswith("m")
    whole, dot, rest = _number(text[:-1] if milli else text, CPU_HINT, text)
    if milli and dot:
        raise _unusable(text, CPU_HINT)
    value = float(f"{whole}.{rest or 0}")
    return value / 1000 if milli else value


def memory(text: str) -> int:
    """Return a number of bytes: ``1073741824``, ``1Gi``, ``1.5Gi``, ``500M``. Raises UsageError."""
    digits = text.rstrip("kKMGTPi")
    unit = text[len(digits) :]
    if unit not in UNITS:
        raise _unusable(text, MEMORY_HINT)
    whole, dot, rest = _number(digits, MEMORY_HINT, text)
    size = UNITS[unit]
    scale: int = 10 ** len(rest)
    value: int
    value, left = divmod((int(whole) * scale + int(rest or 0)) * size, scale)
    if dot and unit == "":
        raise _unusable(text, MEMORY_HINT)
    return value + bool(left)


def _number(digits: str, hint: str, text: str) -> tuple[str, str, str]:
    """Return what stands before the dot, the dot, and what stands behind it. Raises UsageError."""
    whole, dot, rest = digits.partition(".")
    plain = digits.isascii() and whole.isdigit() and (rest.isdigit() or not dot)
    if not plain or len(digits) > MOST_DIGITS:
        raise _unusable(text, hint)
    return whole, dot, rest


def _unusable(text: str, hint: str) -> UsageError:
    return UsageError(f"{text!r} is no amount", hint=hint, code="limits.quantity")
