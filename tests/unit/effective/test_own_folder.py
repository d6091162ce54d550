"""A folder of the sandbox's own among its grants: always there, said so, and no way around what is refused."""

import pytest

from pyopenshell.baseline.propose import propose
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.access import READ_WRITE
from tests.unit.effective.cases import ISOLATED, PRIVATE, STATE, USUAL, World, by_id, codes, composed, findings

HOST = "/srv/sandboxes/one"
SHOWN = {"own_folder": HOST, "workdir": "/sandbox"}
WORLD = World(folders=[*(path for path, kind in USUAL.kinds.items() if kind == "folder"), "/sandbox", HOST])


def own(**fields):
    """Return the grant of the own folder."""
    return by_id(composed(**({"resolve": WORLD.resolve} | fields)))[f"workdir:{fields['workdir']}"]


@pytest.mark.parametrize("include_workdir", [True, False])
def test_it_is_granted_whatever_the_policy_includes(include_workdir):
    """It holds nothing of the operator's; the reason says why it is there."""
    grant = own(include_workdir=include_workdir, **SHOWN)
    assert (HOST, "/sandbox", READ_WRITE, "planned") == (grant.source, grant.resolved, grant.access, grant.status)
    assert "whatever include_workdir says" in grant.reason


def test_it_gives_what_a_baseline_would():
    """OpenShell's writable /sandbox is this folder, and nothing of the host's beside it."""
    baseline = by_id(composed(resolve=WORLD.resolve, proposals=propose(PRIVATE, network="none"), **SHOWN))
    assert "workdir:/sandbox" == baseline["baseline/proxy:/sandbox"].detail.covered_by


def test_at_the_hosts_path():
    """Where nothing can be shown the grant is about that path, and a finding says why."""
    fields = {"own_folder": HOST, "workdir": HOST, "resolve": WORLD.resolve}
    assert None is own(**fields).source
    open_mounts = ISOLATED | {"mount": ISOLATED["user"]}
    for isolation, why in ((ISOLATED, "no folder /sandbox"), (open_mounts, "no mount namespace")):
        (found,) = findings(composed(isolation=isolation, **fields), "own-folder.elsewhere")
        assert ("Low", f"workdir:{HOST}") == (found.severity, found.grant)
        assert why in found.message
    assert "own-folder.elsewhere" not in codes(composed(resolve=WORLD.resolve, **SHOWN))


def test_a_read_only_path_in_it_is_refused():
    """The own folder is writable, so it would be, too: that is said, and nothing about the operator's folders."""
    with pytest.raises(PolicyRefused) as raised:
        composed(read_only=["/sandbox"], resolve=WORLD.resolve, **SHOWN)
    assert "policy.read-only-inside-read-write" == raised.value.code
    assert "lies in the sandbox's own folder /sandbox, which is writable" in raised.value.message
    assert "keep it outside /sandbox" == raised.value.hint


@pytest.mark.parametrize("host", [f"{STATE}/data/one", "/home/me"])
def test_it_lies_apart_from_our_own_folders(host):
    """One in the state folder, or around it, is refused: shown elsewhere it would be writable all the same."""
    with pytest.raises(PolicyRefused) as raised:
        own(own_folder=host, workdir="/sandbox")
    assert "policy.protected-folder" == raised.value.code
    assert "XDG_DATA_HOME" in str(raised.value.hint)
