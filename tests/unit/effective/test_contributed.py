"""What third parties ask for, held against the operator's word and the host: what is dropped, and how that is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.baseline.contributor import ACCESS, Contribution
from pyopenshell.baseline.model import Proposal
from pyopenshell.baseline.propose import propose
from pyopenshell.effective import saved
from pyopenshell.effective.aliases import Aliases
from pyopenshell.effective.compose import Resolved, compose
from pyopenshell.effective.contributed import contributors
from pyopenshell.effective.diff import compare
from pyopenshell.effective.model import Contributor
from pyopenshell.effective.paths import inside
from pyopenshell.errors import StateError
from tests.unit.effective.cases import PRIVATE, STATE, STEADY, USUAL, World, by_id, composed, findings, policy, request

CACHE = "contributor/cache:"


def asks(path, access="read_write", name="cache"):
    """A proposal of a contributor that the policy names on line 300."""
    return Proposal(name, path, ACCESS[access], "It needs it.", kind="contributor", file="policy.yaml", line=300)


def outcome(*asked, world=USUAL, **fields):
    """Compose with these proposals behind the baselines; return the first one's grant and all findings about it."""
    effective = composed(
        proposals=(*propose(PRIVATE, network="none"), *asked), resolve=fields.pop("resolve", world.resolve), **fields
    )
    grant = by_id(effective)[f"contributor/{asked[0].name}:{asked[0].path}"]
    return grant, [one for one in effective.findings if one.grant == grant.id]


def dropped(code, *asked, **fields):
    """Check that the first is listed as skipped, with one Medium finding of this code; return its message."""
    grant, (found,) = outcome(*asked, **fields)
    assert ("skipped", f"contributor.{code}", "Medium") == (grant.status, found.code, found.severity)
    assert grant.is_addition
    assert grant.detail.message in found.message
    assert found.hint
    return found.message


@pytest.mark.parametrize("access", ["read_only", "read_write"])
def test_a_grant_of_a_contributor(access):
    """Its origin names contributor and line; it stands under runtime_additions whole, and in no declared list."""
    grant, about = outcome(asks("/data/set", access))
    assert ("planned", [], ACCESS[access]) == (grant.status, about, grant.access)
    assert ("contributor/cache", "policy.yaml", 300) == (str(grant.origin), grant.origin.file, grant.origin.line)
    assert grant.is_addition


def test_the_report_names_who_contributed():
    """In its shape, in its digest, and read back as written; not at all where nobody did."""
    said = contributors((Contribution("cache", "cache-dist", "1.2", "cache:contribute", "policy.yaml", 300),))
    with_one = compose(request(policy(), proposals=(asks("/data/set"),), contributors=said))
    shape = json.loads(json.dumps(with_one.as_dict()))
    assert ("cache-dist", "1.2") == (shape["contributors"][0]["distribution"], shape["contributors"][0]["version"])
    assert ["contributor/cache:/data/set"] == [grant["id"] for grant in shape["runtime_additions"]]
    assert [] == shape["declared"]["filesystem_policy"]["read_write"]
    assert said == saved.load(shape, "test").contributors
    newer = with_one.replace(contributors=(said[0].replace(version="1.3"),))
    assert newer.digest != with_one.digest
    assert ["contributor"] == [one.kind for one in compare(with_one, newer)]
    without = compose(request(policy(), proposals=()))
    assert "contributors" not in without.as_dict()


def test_a_saved_report_with_another_shape_of_contributors_is_refused():
    """It is a file of anybody's."""
    said = (Contributor("cache", 7, "1", "x", None, None),)  # type: ignore[arg-type]
    shape = compose(request(policy(), proposals=(), contributors=said)).as_dict()
    with pytest.raises(StateError):
        saved.load(shape, "test")


def test_what_is_missing_is_skipped_quietly():
    """As a baseline: a contributor may name every place where something can be. It is listed, and never made."""
    grant, about = outcome(asks("/data/absent"))
    assert ("skipped", "No such file or directory", []) == (grant.status, grant.detail.message, about)


def test_a_declared_read_only_path_stays_so():
    """The same path, one around it, and one in it: no right to write meets it, and the declaration is named."""
    told = dropped("read-only", asks("/data/set"), read_only=["/data/set"])
    assert "/data/set (read_only, policy.yaml:10) stays read-only" in told
    told = dropped("around-read-only", asks("/data"), read_only=["/data/set"])
    assert "it encloses /data/set (read_only, policy.yaml:10)" in told
    told = dropped("in-read-only", asks("/data/set"), read_only=["/data"])
    assert "it lies in /data (read_only, policy.yaml:10)" in told


def test_a_declared_read_only_path_is_compared_by_where_it_leads():
    """Either side may be a link."""
    world = World(folders=["/data/set"]).link("/alias", "/data/set")
    dropped("read-only", asks("/alias"), read_only=["/data/set"], world=world)
    dropped("read-only", asks("/data/set"), read_only=["/alias"], world=world)


def test_a_declared_read_only_path_has_other_names():
    """What is mounted a second time: of itself, of something in it, of a folder around it; the finding says so."""
    mounts = b"1 0 8:1 / / rw - ext4 x rw\n2 1 8:1 %s /alias rw - ext4 x rw\n"
    world = World(folders=["/data/set/part", "/alias"])

    def told(code, root, path, declared="/data/set"):
        aliases = Aliases(mounts % root, lambda _path: None)
        return dropped(code, asks(path), read_only=[declared], world=world, aliases=aliases)

    assert "another name of /data/set (read_only, policy.yaml:10) stays read-only" in told(
        "read-only", b"/data/set", "/alias"
    )
    assert "another name of /" in told("in-read-only", b"/data/set/part", "/alias")
    assert "another name of /" in told("around-read-only", b"/data", "/alias")
    assert "another name of /" in told("read-only", b"/data/set", "/data/set", "/alias")


def test_openshells_own_folders_have_other_names():
    """Its state is as little written under another name."""
    aliases = Aliases(f"1 0 8:1 / / rw\n2 1 8:1 {STATE} /alias rw\n".encode(), lambda _path: None)
    world = World(folders=["/alias", STATE])
    assert "state folder" in dropped("protected-folder", asks("/alias"), world=world, aliases=aliases)


def test_a_declared_read_only_path_that_is_missing_counts():
    """It may be there tomorrow."""
    dropped("around-read-only", asks("/data"), read_only=["/data/later"])


def test_reading_beside_a_declaration_takes_nothing_from_it():
    """A read-only grant in, at or around a declared read-only path changes nothing about it."""
    for path, declared in (("/data", "/data/set"), ("/data/set", "/data"), ("/data/set", "/data/set")):
        grant, about = outcome(asks(path, "read_only"), read_only=[declared])
        assert (True, []) == (grant.status in ("planned", "covered"), about)


def test_what_is_granted_already_is_covered():
    """By the operator or a baseline; it stays listed as an addition."""
    grant, _ = outcome(asks("/data/set"), read_write=["/data"])
    assert ("covered", "declared/read_write:/data") == (grant.status, grant.detail.covered_by)
    grant, _ = outcome(asks("/usr/lib", "read_only"))
    assert ("covered", "baseline/process:/usr") == (grant.status, grant.detail.covered_by)


def test_a_contributor_covers_nothing():
    """A baseline or another contributor keeps its own rule: what they give does not depend on a third party."""
    proposals = (Proposal("command", "/data/set", ACCESS["read_only"], "The command."), asks("/data"))
    two = asks("/data", name="other"), asks("/data/set", name="third")
    grants = by_id(composed(proposals=(*proposals, *two)))
    assert {"planned"} == {grant.status for grant in grants.values()}


@pytest.mark.parametrize("path", ["/dev", "/dev/nvidia0", "/dev/pts", "/dev/null"])
@pytest.mark.parametrize("access", ["read_only", "read_write"])
def test_devices_are_nobodys_to_give(path, access):
    """Not by name, and not by the folder they lie in; not to read either: opening one is what its ioctls need."""
    dropped("device", asks(path, access))


def test_a_device_elsewhere():
    """Where a link leads, or where a node lies beside the files."""
    world = World(folders=["/data"], devices=["/data/node", "/dev/sda"]).link("/data/disk", "/dev/sda")
    for path in ("/data/node", "/data/disk"):
        dropped("device", asks(path, "read_only"), world=world)


def test_a_socket():
    """Who may connect to an engine's socket owns the host."""

    def resolve(path):
        found = USUAL.resolve("/data/set" if path == "/data/socket" else path)
        return found.replace(is_socket=True) if path == "/data/socket" else found

    dropped("socket", asks("/data/socket", "read_only"), resolve=resolve)


def test_the_kernels_files():
    """They may be read, as every sandbox may; a folder of them never written."""
    dropped("kernel-files", asks("/proc/driver/nvidia"))
    assert "covered" == outcome(asks("/proc/driver/nvidia", "read_only"))[0].status


@pytest.mark.parametrize("path", ["/tmp", "/dev/shm", "/run", "/run/openshell"])
def test_what_a_sandbox_has_of_its_own(path):
    """The host's would take its place, with what others have in it."""
    world = World(folders=["/tmp", "/dev/shm", "/run/openshell"])
    _, (found,) = outcome(asks(path, "read_only"), world=world)
    assert found.code in ("contributor.private", "contributor.device")


def test_a_folder_beneath_the_hosts_tmp_can_be_shown():
    """As one that is declared: it is bound back."""
    assert "planned" == outcome(asks("/tmp/models"), world=World(folders=["/tmp/models"]))[0].status


@pytest.mark.parametrize("path", [STATE, f"{STATE}/runs", "/home/me/.local", "/home/me"])
def test_openshells_own_folders(path):
    """Neither they nor what is in or around them become writable."""
    world = World(folders=[f"{STATE}/runs"])
    assert "state folder" in dropped("protected-folder", asks(path), world=world)


def test_a_home_folder_is_told_as_ever():
    """Findings about grants are about these too."""
    protected = (("/var/state", "state"),)
    effective = composed(proposals=(asks("/home/me"),), protected=protected)
    (found,) = findings(effective, "home.writable")
    assert ("High", f"{CACHE}/home/me") == (found.severity, found.grant)


def test_a_link_that_an_earlier_run_may_have_made():
    """It would choose what this run is granted: in what is declared writable, and in what a contributor gives."""
    world = World(folders=["/data/cache", "/secret"]).link("/data/cache/models", "/secret")
    dropped("link", asks("/data/cache/models", "read_only"), read_write=["/data/cache"], world=world)
    dropped("link", asks("/data/cache/models", "read_only"), asks("/data/cache", name="b"), world=world)


def test_a_link_that_stays_where_the_sandbox_may_write_anyway():
    """Nothing is won by it: tools keep such links (blobs and snapshots of a model cache)."""
    world = World(folders=["/data/cache/blobs"]).link("/data/cache/now", "/data/cache/blobs")
    grant, about = outcome(asks("/data/cache/now", "read_only"), read_write=["/data/cache"], world=world)
    assert ("covered", []) == (grant.status, about)


def test_a_strangers_link():
    """As for a device's files."""
    world = World(folders=["/secret"]).link("/data/models", "/secret", foreign=True)
    dropped("link", asks("/data/models", "read_only"), world=world)


def test_one_dropped_grant_changes_no_other():
    """One bad path never weakens another rule."""
    good = asks("/data/set", name="good")
    effective = composed(proposals=(asks("/dev"), good, asks("/proc/driver/nvidia")))
    assert ["skipped", "planned", "skipped"] == [grant.status for grant in effective.runtime_additions]


def test_hard_requirement_does_not_refuse_what_a_contributor_misses():
    """It is about what the operator declared, and what this kernel lacks."""
    grant, _ = outcome(asks("/data/absent"), compatibility="hard_requirement")
    assert "skipped" == grant.status


def test_resolved_is_told_of_sockets(tmp_path):
    """The real resolver: by the file's own type."""
    import socket

    from pyopenshell.effective.resolve import resolver

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        found = [resolver(0)(str(path)).is_socket for path in (tmp_path / "s", tmp_path)]
    assert [True, False] == found
    assert not Resolved("/x").is_socket


PLACES = ("/data", "/data/a", "/data/a/b", "/data/c", "/data/link", "/data/link/b", "/data/absent", "/tmp/x")
WORLD = World(folders=["/data/a/b", "/data/c", "/tmp/x"]).link("/data/link", "/data/a")


@STEADY
@given(st.sets(st.sampled_from(PLACES)), st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from([*ACCESS]))))
def test_never_against_a_declared_read_only_path(declared, asked):
    """Whatever is declared and asked for: no right to write is at, in or around a place that is declared read-only."""
    asked = dict.fromkeys(asked)
    effective = composed(
        proposals=tuple(asks(path, access) for path, access in asked), read_only=sorted(declared), resolve=WORLD.resolve
    )
    kept = [WORLD.resolve(path).place or path for path in declared]
    for grant in effective.runtime_additions:
        if "write_file" in grant.access and grant.status != "skipped":
            place = grant.resolved or grant.path
            assert not [path for path in kept if inside(place, path) or inside(path, place)]
    assert len(asked) == len(effective.runtime_additions)
