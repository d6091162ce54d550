"""How baselines join what was declared: who wins, what is dropped, what needs no rule of its own."""

import pytest

from pyopenshell.baseline.model import Proposal
from pyopenshell.effective.compose import compose
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE
from tests.unit.effective.cases import GPUS, STATE, World, by_id, codes, composed, findings, policy, request


def outcome(effective, identifier):
    """Return (status, covered_by) of a grant."""
    grant = by_id(effective)[identifier]
    return grant.status, grant.detail.covered_by


def test_a_baseline_declared_read_only_stays_read_only():
    """The baseline's grant is skipped with a finding that names the declaration and what to change."""
    effective = composed(read_only=["/dev/null"])
    assert ("skipped", None) == outcome(effective, "baseline/process:/dev/null")
    (finding,) = findings(effective, "baseline.declared-read-only")
    assert "/dev/null (read_only, policy.yaml:10)" in finding.message
    assert "write_file" in finding.message
    assert "/dev/null" in (finding.hint or "")
    assert "baseline/process:/dev/null" == finding.grant


def test_a_baseline_that_encloses_a_declared_read_only_path_is_dropped():
    """Its rights would reach the declared path; the finding says which path to move."""
    effective = composed(read_only=["/tmp/results"])
    assert ("skipped", None) == outcome(effective, "baseline/process:/tmp")
    found = findings(effective, "baseline.encloses-read-only")
    assert {"baseline/process:/tmp", "baseline/proxy:/tmp"} == {finding.grant for finding in found}
    assert all("/tmp/results (read_only, policy.yaml:10)" in finding.message for finding in found)


def test_the_declaration_of_the_path_itself_is_the_one_named():
    """However the declarations are ordered, not one that lies deeper."""
    for paths in (["/tmp", "/tmp/results"], ["/tmp/results", "/tmp"]):
        effective = composed(read_only=paths)
        found = findings(effective, "baseline.declared-read-only")
        assert {"baseline/process:/tmp", "baseline/proxy:/tmp"} == {finding.grant for finding in found}
        assert all(finding.message.startswith("/tmp (read_only") for finding in found)


def test_a_read_only_baseline_may_enclose_a_declared_read_only_path():
    """Nothing is widened by it."""
    effective = composed(read_only=["/etc/hosts"])
    assert "planned" == outcome(effective, "baseline/process:/etc")[0]
    assert {"declared.missing"}.isdisjoint(codes(effective))


def test_a_declared_ancestor_does_not_narrow_baselines_beneath_it():
    """/dev read-only leaves /dev/null, the terminals and GPUs as they are."""
    effective = composed(read_only=["/dev", "/run"], gpu=-1, devices=GPUS)
    for path in ("process:/dev/null", "process:/dev/tty", "gpu:/dev/nvidia0", "gpu:/run/nvidia-persistenced"):
        assert "planned" == outcome(effective, f"baseline/{path}")[0]
    assert {"cuda.thread-names.broker", "gpu.no-spec"} == codes(effective)


def test_a_gpu_device_declared_read_only_is_told_before_the_launch():
    """The finding that CUDA will fail is High, and names the line."""
    effective = composed(read_only=["/dev/nvidia-uvm"], gpu=-1, devices=GPUS)
    assert ("skipped", None) == outcome(effective, "baseline/gpu:/dev/nvidia-uvm")
    (finding,) = findings(effective, "baseline.declared-read-only")
    assert ("High", True) == (finding.severity, "policy.yaml:10" in finding.message)


def test_declarations_are_compared_by_where_they_lead():
    """A link to a folder beneath the baseline narrows it like the folder itself; a link out of it does not."""
    into = World(folders=["/tmp/real", "/elsewhere"]).link("/alias", "/tmp/real")
    assert "skipped" == outcome(composed(read_only=["/alias"], resolve=into.resolve), "baseline/process:/tmp")[0]
    out = World(folders=["/tmp", "/elsewhere"]).link("/tmp/link", "/elsewhere")
    assert "planned" == outcome(composed(read_only=["/tmp/link"], resolve=out.resolve), "baseline/process:/tmp")[0]


def test_missing_baselines_are_skipped_quietly():
    """Listed with the errno, no finding."""
    effective = composed()
    grant = by_id(effective)["baseline/proxy:/app"]
    assert ("skipped", 2) == (grant.status, grant.detail.errno)
    assert set() == codes(effective)


@pytest.mark.parametrize(
    ("declared", "identifier", "by"),
    [
        ({}, "baseline/process:/bin", "baseline/process:/usr"),
        ({}, "baseline/proxy:/usr", "baseline/process:/usr"),
        ({}, "baseline/process:/dev/ptmx", "baseline/process:/dev/pts"),
        ({"read_only": ["/usr"]}, "baseline/process:/usr", "declared/read_only:/usr"),
        ({"read_only": ["/usr"]}, "baseline/process:/lib", "declared/read_only:/usr"),
        ({"read_only": ["/bin"]}, "baseline/process:/bin", "baseline/process:/usr"),
        ({"read_only": ["/"]}, "baseline/process:/etc", "declared/read_only:/"),
        ({"read_write": ["/dev/null"]}, "baseline/process:/dev/null", "declared/read_write:/dev/null"),
        ({"read_write": ["/dev"]}, "baseline/process:/dev/null", "declared/read_write:/dev"),
    ],
)
def test_what_another_grant_gives_needs_no_rule(declared, identifier, by):
    """The same path or an enclosing folder with all the rights covers; the outermost is named."""
    assert ("covered", by) == outcome(composed(**declared), identifier)


@pytest.mark.parametrize(
    ("declared", "identifier"),
    [
        ({}, "baseline/process:/usr"),
        ({"read_write": ["/dev"]}, "baseline/process:/dev/tty"),
        ({"read_only": ["/dev"]}, "baseline/process:/dev/null"),
        ({"read_only": ["/us"]}, "baseline/process:/usr"),
        ({"read_only": ["/usr/bin"]}, "baseline/process:/usr"),
    ],
    ids=["alone", "without ioctl_dev", "fewer rights", "only a prefix", "inner path"],
)
def test_what_is_not_given_keeps_its_rule(declared, identifier):
    """A grant with fewer rights, or on another path, covers nothing."""
    assert ("planned", None) == outcome(composed(**declared), identifier)


def test_what_gets_no_rule_covers_nothing():
    """A declared path that is missing, and a baseline that is dropped, leave the others their rules."""
    proposals = (Proposal("a", "/data", READ_WRITE, "A."), Proposal("b", "/data", READ_ONLY, "B."))
    effective = composed(read_only=["/data/set", "/none"], proposals=proposals)
    assert ("skipped", None) == outcome(effective, "baseline/a:/data")
    assert ("planned", None) == outcome(effective, "baseline/b:/data")


def test_a_file_covers_only_itself():
    """Rights on something that is no folder reach no further."""
    world = World(files=["/file"])
    proposals = (Proposal("a", "/file", READ_ONLY, "A."), Proposal("b", "/file", READ_ONLY, "B."))
    effective = composed(proposals=proposals, resolve=world.resolve)
    assert ("covered", "baseline/a:/file") == outcome(effective, "baseline/b:/file")


def test_cover_never_goes_in_circles():
    """Of equal grants the first keeps its rule; the one with more rights does, wherever it stands."""
    proposals = (
        Proposal("a", "/data", READ_ONLY, "A."),
        Proposal("b", "/data", READ_ONLY, "B."),
        Proposal("c", "/data", READ_WRITE, "C."),
    )
    effective = composed(proposals=proposals)
    statuses = {grant.id: outcome(effective, grant.id) for grant in effective.grants}
    expected = {
        "baseline/a:/data": ("covered", "baseline/c:/data"),
        "baseline/b:/data": ("covered", "baseline/c:/data"),
        "baseline/c:/data": ("planned", None),
    }
    assert expected == statuses


def test_private_folders_need_not_exist_yet():
    """The launch makes them."""
    grant = by_id(composed())["baseline/process:/run/openshell/home"]
    assert ("planned", "/run/openshell/home", READ_WRITE) == (grant.status, grant.resolved, grant.access)


def test_a_private_folder_covers_no_path_of_the_host():
    """An environment in the host's /tmp is hidden by the private one: it needs its rule, and to be bound back."""
    world = World(folders=["/tmp/env", "/home/me/project"])
    proposals = (
        Proposal("process", "/tmp", READ_WRITE, "Private.", private=True),
        Proposal("proxy", "/tmp", READ_WRITE, "Private.", private=True),
        Proposal("command", "/tmp/env", READ_ONLY, "An environment."),
    )
    effective = composed(proposals=proposals, resolve=world.resolve)
    assert ("planned", None) == outcome(effective, "baseline/command:/tmp/env")
    assert ("covered", "baseline/process:/tmp") == outcome(effective, "baseline/proxy:/tmp")


def test_a_path_of_the_host_covers_no_private_folder():
    """What is declared there is hidden by it."""
    proposals = (Proposal("process", "/data/set", READ_WRITE, "Private.", private=True),)
    effective = composed(proposals=proposals, read_write=["/data"])
    assert ("planned", None) == outcome(effective, "baseline/process:/data/set")


def test_private_folders_are_compared_by_where_they_are_too():
    """Where the host's /tmp is a link, a declared path beneath it still is inside."""
    world = World(folders=["/var/tmp/results", "/home/me/project"]).link("/tmp", "/var/tmp")
    effective = composed(read_only=["/tmp/results"], resolve=world.resolve)
    assert ("skipped", None) == outcome(effective, "baseline/process:/tmp")


def test_a_baseline_never_makes_the_state_folder_writable():
    """OpenShell's /sandbox is dropped where the state lies in it; a private folder of that name is another place."""
    world = World(folders=["/sandbox/.local/state/openshell", "/home/me/project"])
    protected = (("/sandbox/.local/state/openshell", "state"), ("/tmp/state", "state"))
    effective = composed(protected=protected, resolve=world.resolve)
    assert ("skipped", None) == outcome(effective, "baseline/proxy:/sandbox")
    assert "planned" == outcome(effective, "baseline/process:/tmp")[0]
    (finding,) = findings(effective, "baseline.protected-folder")
    assert ("Medium", "baseline/proxy:/sandbox") == (finding.severity, finding.grant)


def test_a_writable_home_by_baseline_is_a_finding():
    """In OpenShell's images /sandbox is the home folder."""
    world = World(folders=["/sandbox", "/home/me/project"])
    effective = composed(home="/sandbox", resolve=world.resolve)
    assert ["baseline/proxy:/sandbox"] == [finding.grant for finding in findings(effective, "home.writable")]


def test_every_proposal_is_in_the_report():
    """None is left out, whatever becomes of it; rights and reasons are the proposal's."""
    asked = request(policy(read_only=["/dev/null", "/usr"]), gpu=-1, devices=GPUS)
    shown = [grant for grant in compose(asked).grants if grant.origin.kind == "baseline"]
    expected = [(one.name, one.path, one.access, one.reason) for one in asked.proposals]
    assert expected == [(grant.origin.name, grant.path, grant.access, grant.reason) for grant in shown]
    assert DEVICE in [grant.access for grant in shown]
    assert STATE not in [grant.path for grant in shown]
