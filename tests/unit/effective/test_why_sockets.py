"""``why --connect``: whose Unix sockets a sandbox reaches by path."""

import errno

import pytest

from pyopenshell.effective.model import Isolation, LandlockReport
from pyopenshell.effective.request import Resolved
from pyopenshell.effective.why import OWN_SOCKETS, why
from tests.unit.effective.cases import ISOLATED, USUAL, composed

OPEN = {**ISOLATED, "mount": Isolation("open", "none")}
CLOSES = LandlockReport("best_effort", 9, ("read_file", "write_file", "resolve_unix"))
LEAVES = LandlockReport("best_effort", 8, ("read_file", "write_file"))


def there(path):
    """Resolve any path to itself."""
    return Resolved(path, place=path)


@pytest.mark.parametrize(
    ("path", "landlock", "isolation", "number"),
    [
        ("/srv/agent/socket", CLOSES, OPEN, errno.EACCES),
        ("/srv/agent/socket", CLOSES, ISOLATED, errno.EACCES),
        ("/srv/agent/socket", LEAVES, OPEN, 0),
        ("/srv/agent/socket", LEAVES, ISOLATED, 0),
        ("/run/agent/socket", LEAVES, OPEN, 0),
        ("/run/agent/socket", LEAVES, ISOLATED, errno.ENOENT),
        ("/run/agent/socket", CLOSES, ISOLATED, errno.ENOENT),
        ("/tmp/agent/socket", CLOSES, ISOLATED, errno.ENOENT),
        ("/data/set/socket", CLOSES, ISOLATED, 0),
        ("/data/socket", CLOSES, ISOLATED, errno.EACCES),
    ],
)
def test_who_is_reached(path, landlock, isolation, number):
    """Landlock's right, which read_write gives, or mounts in its place; where neither is, whatever modes allow."""
    effective = composed(read_only=["/data"], read_write=["/data/set"], landlock=landlock, isolation=isolation)
    answer = why(effective, path, "connect", there, 0)
    assert (number, number == 0) == (answer.errno, answer.allowed)
    assert OWN_SOCKETS in answer.explanation


def test_all_is_granted_but_what_mounts_hide():
    """A grant on ``/`` shows the sandbox's own /run, not the host's."""
    effective = composed(read_only=["/"], read_write=["/run/agent"], landlock=LEAVES, isolation=ISOLATED)
    numbers = [why(effective, path, "connect", there, 0).errno for path in ("/run/other/s", "/run/agent/s", "/srv/s")]
    assert [errno.ENOENT, 0, 0] == numbers


def test_advice():
    """The socket itself can be named, which grants nothing beside it."""
    effective = composed(landlock=CLOSES, isolation=OPEN)
    answer = why(effective, "/srv/agent/socket", "connect", there, 0)
    assert "add /srv/agent/socket to filesystem_policy.read_write" == answer.advice


def test_sockets_in_granted_folders_are_a_finding():
    """What listens there does for the sandbox what it does for anybody."""
    codes = {found.code: found for found in composed(granted_sockets=("/data/agent",), resolve=USUAL.resolve).findings}
    assert ("Medium", True) == (
        codes["granted.unix-sockets"].severity,
        "/data/agent" in codes["granted.unix-sockets"].message,
    )
    assert "granted.unix-sockets" not in {found.code for found in composed().findings}
