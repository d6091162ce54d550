"""The released versions of the CDI specification, and which of them brought what (its table "Released versions").

Nothing changed for files in 0.8.0 and 1.0.0. A spec of 0.1.0 or 0.2.0 is refused by engines: 0.3.0 is the first that
they read.
"""

from __future__ import annotations

VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
"""The versions that are read, the oldest first."""
UNREAD = ("0.1.0", "0.2.0")
"""Versions that were, and that no engine reads."""

ANY = (VERSIONS[0], "any spec")
"""What a spec needs that uses nothing newer."""
MOUNT_TYPE = ("0.4.0", "type of a mount")
HOST_PATH = ("0.5.0", "hostPath of a device node")
DIGIT_FIRST = ("0.5.0", "a device name that does not begin with a letter")
ANNOTATIONS = ("0.6.0", "annotations")
DOTTED_CLASS = ("0.6.0", "a class with a dot in it")
INTEL_RDT = ("0.7.0", "intelRdt")
GIDS = ("0.7.0", "additionalGids")
SCHEMATA = ("1.1.0", "schemata of intelRdt")
MONITORING = ("1.1.0", "enableMonitoring of intelRdt")
NET_DEVICES = ("1.1.0", "netDevices")

CMT = "enableCMT of intelRdt"
MBM = "enableMBM of intelRdt"
UNTIL = "1.1.0"
"""The version that removed CMT and MBM."""


def since(version: str) -> tuple[str, ...]:
    """Return one of ``VERSIONS`` and those released after it."""
    return VERSIONS[VERSIONS.index(version) :]


def older(version: str, than: str) -> bool:
    """Return whether one of ``VERSIONS`` was released before another."""
    return VERSIONS.index(version) < VERSIONS.index(than)
