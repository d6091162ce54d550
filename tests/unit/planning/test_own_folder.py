"""Where a sandbox's own folder is seen, and where paths in it lead."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.effective.paths import inside
from pyopenshell.errors import UsageError
from pyopenshell.planning import RunRequest, ground, own_folder, plan
from pyopenshell.planning.own_folder import OwnFolder
from tests.unit.effective.cases import STEADY

PARTS = st.lists(st.sampled_from(["sandbox", "srv", "one", "a"]), max_size=4).map(lambda parts: "/" + "/".join(parts))
SHOWN = OwnFolder("/srv/one", "/sandbox")


@STEADY
@given(PARTS)
def test_there_and_back(path):
    """What is in the folder has two names, and all else one."""
    if inside(path, "/sandbox"):
        assert inside(SHOWN.on_host(path), "/srv/one")
        assert path == SHOWN.in_view(SHOWN.on_host(path))
    else:
        assert path == SHOWN.on_host(path)
    assert path == OwnFolder("/srv/one", "/srv/one").on_host(path)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A host's own folder, and a stand-in for /sandbox."""
    (tmp_path / "one").mkdir()
    (tmp_path / "sandbox").mkdir()
    monkeypatch.setattr(own_folder, "SANDBOX", str(tmp_path / "sandbox"))
    return tmp_path


def test_where_it_is_seen(place):
    """At /sandbox with mounts of its own, where the host has that as a real folder, and it does not lie in there."""
    one, sandbox = str(place / "one"), place / "sandbox"
    assert OwnFolder(one, str(sandbox)) == own_folder.find(one, mount_namespace=True)
    assert OwnFolder(one, one) == own_folder.find(one, mount_namespace=False)
    (sandbox / "in").mkdir()
    assert str(sandbox / "in") == own_folder.find(str(sandbox / "in"), mount_namespace=True).place
    (sandbox / "in").rmdir()
    sandbox.rmdir()
    assert one == own_folder.find(one, mount_namespace=True).place
    sandbox.symlink_to("one")
    assert one == own_folder.find(one, mount_namespace=True).place


def test_links_lead_where_they_do_inside(place):
    """What lies in the folder is found at /sandbox; the host's own things there are not."""
    found = own_folder.find(str(place / "one"), mount_namespace=True)
    (place / "sandbox" / "hosts").touch()
    (place / "one" / "mine").touch()
    (place / "one" / "link").symlink_to(f"{found.place}/mine")
    resolve = found.resolver(os.getuid())
    assert f"{found.place}/mine" == resolve(f"{found.place}/link").real
    assert errno.ENOENT == resolve(f"{found.place}/hosts").errno
    assert resolve(f"{found.place}/new").creatable


def test_where_it_is_not_shown_nothing_is_there(place):
    """What the host has at /sandbox is not the sandbox's, and nothing is made there."""
    found = own_folder.find(str(place / "one"), mount_namespace=False)
    resolve = found.resolver(os.getuid())
    for path in ("", "/", "/new"):
        where = resolve(f"{place}/sandbox{path}")
        assert (None, errno.ENOENT, False) == (where.real, where.errno, where.creatable)
    assert found.host == resolve(found.host).real


@pytest.mark.parametrize("given", ["/none/such", "/etc/passwd", "/"])
def test_what_is_no_folder(given):
    """One clear message."""
    with pytest.raises(UsageError, match="own folder"):
        own_folder.find(given, mount_namespace=True)


def test_with_a_working_directory():
    """There is one place to work in, or the other."""
    with pytest.raises(UsageError, match="works there, and in no other"):
        ground._own_folder(RunRequest((), own_folder="/srv", workdir="/srv"), mount_namespace=True)


def test_limits_that_cannot_be_kept_are_refused_before_anything_is_measured():
    """No identity is taken and no namespace tried for them."""
    with pytest.raises(UsageError) as raised:
        plan(RunRequest(("true",), pids=1))
    assert "limits.range" == raised.value.code
