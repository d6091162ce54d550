"""What the report says about a path: Landlock's rules added up, and the read-only mounts."""

import pytest

from pyopenshell.effective.model import Origin
from pyopenshell.policy.access import READ_ONLY
from pyopenshell.verify.attempt import ALLOWED, DENIED
from pyopenshell.verify.rules import Rules
from tests.unit.verify import build

GRANTS = (
    build.grant("/usr", origin=Origin("baseline", "process")),
    build.grant("/tmp/data"),
    build.writable("/work"),
    build.writable("/tmp", "baseline"),
    build.writable("/run/openshell/home", "baseline"),
    build.grant("/gone", status="skipped", actual=()),
    build.grant("/inner", status="covered"),
    build.grant("/shut", status="blocked"),
)


@pytest.mark.parametrize(
    ("path", "rights", "expected"),
    [
        ("/usr", ("read_dir",), ALLOWED),
        ("/usr/bin/x", ("read_file", "execute"), ALLOWED),
        ("/usr/bin/x", ("write_file",), DENIED),
        ("/usrx", ("read_dir",), DENIED),
        ("/", ("read_dir",), DENIED),
        ("/work/a/b", ("make_reg", "write_file", "refer"), ALLOWED),
        ("/work", ("make_char",), DENIED),
        ("/gone", ("read_dir",), DENIED),
        ("/inner", ("read_dir",), DENIED),
        ("/shut", ("read_dir",), ALLOWED),
        ("/tmp/other", ("make_reg",), ALLOWED),
        ("/tmp/data/file", ("read_file",), ALLOWED),
    ],
)
def test_rights(path, rights, expected):
    """The rights of all rules on the way to the root; file modes are asked inside, not here."""
    for private in (True, False):
        assert expected == Rules(build.effective(*GRANTS, private=private)).expect(path, *rights)


@pytest.mark.parametrize(("private", "expected"), [(True, DENIED), (False, ALLOWED)])
def test_a_read_only_folder_in_a_private_one(private, expected):
    """Landlock's rules add up, so the rule on /tmp opens it for writing; only a mount keeps it as it is."""
    rules = Rules(build.effective(*GRANTS, private=private))
    assert expected == rules.expect("/tmp/data/file", "write_file")
    assert ALLOWED == rules.expect("/tmp/data/device", "write_file", device=True)


def test_a_writing_rule_on_procfs_is_not_stopped_by_a_mount():
    """It is a file system of its own, and mounted writable."""
    grants = (build.grant("/proc", (*READ_ONLY, "write_file")),)
    assert ALLOWED == Rules(build.effective(*grants)).expect("/proc", "write_file")


def test_what_landlock_does_not_handle_is_allowed_unless_a_mount_forbids_it():
    """Below ABI 3 no rule speaks of truncating."""
    assert ALLOWED == Rules(build.effective(private=False, abi=2)).expect("/etc/passwd", "truncate")
    assert DENIED == Rules(build.effective(private=True, abi=2)).expect("/etc/passwd", "truncate")


def test_what_is_hidden():
    """The host's files under a private folder, but not what is bound back there, nor where the operator names it."""
    rules = Rules(build.effective(*GRANTS))
    assert [True, False, True, False] == [
        rules.is_hidden(path) for path in ("/tmp/x", "/tmp/data/x", "/run/user", "/usr")
    ]
    assert not Rules(build.effective(build.grant("/tmp"))).is_hidden("/tmp/x")
    assert not Rules(build.effective(*GRANTS, private=False)).is_hidden("/tmp/x")
