"""Declared paths and the working directory: never rewritten, skipped loudly, created where it is safe."""

import errno

import pytest

from pyopenshell.effective.compose import Resolved
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from tests.unit.effective.cases import USUAL, World, by_id, codes, composed, findings


def test_declared_paths_get_a_grant_each_as_written():
    """Path, rights, file and line are the operator's; the resolved path stands beside."""
    grants = by_id(composed(read_only=["/data"], read_write=["/home/me/project/", "/bin"]))
    declared = [
        (grant.path, grant.resolved, grant.access, grant.origin.line, grant.status)
        for grant in grants.values()
        if grant.origin.kind == "declared"
    ]
    expected = [
        ("/data", "/data", READ_ONLY, 10, "planned"),
        ("/home/me/project/", "/home/me/project", READ_WRITE, 110, "planned"),
        ("/bin", "/usr/bin", READ_WRITE, 111, "planned"),
    ]
    assert expected == declared
    assert "policy.yaml" == grants["declared/read_only:/data"].origin.file


def test_a_path_declared_twice_has_two_grants():
    """Nothing declared is merged; ids stay unique."""
    ids = [grant.id for grant in composed(read_only=["/data", "/data"]).grants][:2]
    assert ["declared/read_only:/data", "declared/read_only:/data#2"] == ids


@pytest.mark.parametrize(
    ("word", "extra"), [("read_write", ("ioctl_dev",)), ("read_only", ())], ids=["read_write", "read_only"]
)
def test_ioctl_is_only_for_devices(word, extra):
    """A declared read-write device gets ioctl_dev; a folder of devices and a read-only device do not."""
    grants = by_id(composed(**{word: ["/dev/nvidia0", "/dev/pts"]}))
    usual = READ_WRITE if word == "read_write" else READ_ONLY
    assert (*usual, *extra) == grants[f"declared/{word}:/dev/nvidia0"].access
    assert usual == grants[f"declared/{word}:/dev/pts"].access


def test_a_missing_path_is_skipped_loudly():
    """best_effort: no rule, the errno, and a Medium finding that names the path; other rules stand."""
    effective = composed(read_only=["/none/deep", "/data"])
    grants = by_id(effective)
    assert ("skipped", errno.ENOENT) == (
        grants["declared/read_only:/none/deep"].status,
        grants["declared/read_only:/none/deep"].detail.errno,
    )
    assert "planned" == grants["declared/read_only:/data"].status
    (finding,) = findings(effective, "declared.missing")
    assert ("Medium", "declared/read_only:/none/deep") == (finding.severity, finding.grant)


def test_hard_requirement_refuses_and_lists_all():
    """Every missing path is named in one error, which stands at the first."""
    with pytest.raises(PolicyRefused) as caught:
        composed(compatibility="hard_requirement", read_only=["/none", "/data", "/none/b"], read_write=["/no/deep"])
    assert "policy.hard-requirement" == caught.value.code
    assert ("policy.yaml", 10, 7) == (caught.value.file, caught.value.line, caught.value.column)
    assert all(path in caught.value.message for path in ("/none (", "/none/b (", "/no/deep ("))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/data/new", "planned"),
        ("/data/new/deep", "skipped"),
        ("/bin/new", "skipped"),
        ("/proc/new", "skipped"),
        ("/etc/hosts/new", "skipped"),
    ],
    ids=["parent exists", "parent missing", "through a link", "procfs", "beneath a file"],
)
def test_a_missing_read_write_folder_is_created_where_that_is_safe(path, status):
    """Only the last component, not through links, and never in procfs or sysfs."""
    effective = composed(read_write=[path])
    grant = by_id(effective)[f"declared/read_write:{path}"]
    assert (status, None) == (grant.status, grant.resolved)
    assert ("will be created" == grant.detail.message) is (status == "planned")
    assert bool(findings(effective, "declared.missing")) is (status == "skipped")


def test_a_missing_read_only_path_is_never_created():
    """There would be nothing in it to read."""
    assert "skipped" == composed(read_only=["/data/new"]).grants[0].status


@pytest.mark.parametrize("number", [errno.EACCES, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG])
@pytest.mark.parametrize("word", ["read_only", "read_write"])
def test_whatever_cannot_be_resolved_is_missing(number, word):
    """Unreadable folders, loops and the like: the same rule, each with its errno."""

    def resolve(path):
        return Resolved(None, number) if path == "/odd" else USUAL.resolve(path)

    effective = composed(**{word: ["/odd"]}, resolve=resolve)
    assert ("skipped", number) == (effective.grants[0].status, effective.grants[0].detail.errno)
    with pytest.raises(PolicyRefused):
        composed(**{word: ["/odd"]}, resolve=resolve, compatibility="hard_requirement")


@pytest.mark.parametrize(("foreign", "expected"), [(True, 1), (False, 0)])
def test_a_link_of_others_is_a_finding(foreign, expected):
    """Who owns the link chooses what is granted."""
    world = World(folders=["/secret", "/home/me/project"]).link("/shared", "/secret", foreign=foreign)
    effective = composed(read_only=["/shared"], resolve=world.resolve)
    found = findings(effective, "declared.foreign-link")
    assert expected == len(found)
    assert all(finding.severity == "Medium" and "/secret" in finding.message for finding in found)


def test_the_working_directory_is_granted_where_included():
    """Origin workdir, read-write; without include_workdir there is no such grant."""
    grant = by_id(composed(include_workdir=True))["workdir:/home/me/project"]
    assert ("workdir", READ_WRITE, "planned") == (str(grant.origin), grant.access, grant.status)
    assert not [one for one in composed().grants if one.origin.kind == "workdir"]


def test_a_working_directory_that_cannot_be_entered_is_refused():
    """It has no rule to be had."""
    with pytest.raises(PolicyRefused) as caught:
        composed(include_workdir=True, workdir="/none")
    assert "policy.workdir" == caught.value.code


def test_declared_grants_are_never_covered():
    """An outer declared path does not take the inner one's own rule; nor does the working directory's."""
    effective = composed(read_write=["/home/me", "/home/me/project/src"], include_workdir=True, protected=())
    assert ["planned"] * 3 == [grant.status for grant in effective.grants if grant.origin.kind != "baseline"]


@pytest.mark.parametrize("path", ["/home/me", "/home", "/link"])
def test_a_writable_home_is_a_high_finding(path):
    """Itself, what encloses it, and a link to it."""
    world = World(folders=["/home/me/project"]).link("/link", "/home/me")
    (finding,) = findings(composed(read_write=[path], protected=(), resolve=world.resolve), "home.writable")
    assert ("High", f"declared/read_write:{path}") == (finding.severity, finding.grant)


def test_a_readable_home_and_a_folder_in_it_are_no_finding():
    """Reading is not writing, and a project is not the home folder, nor is a folder whose name begins the same."""
    world = World(folders=["/home/me/project", "/home/m"])
    fields = {"read_only": ["/home/me"], "read_write": ["/home/me/project", "/home/m"], "resolve": world.resolve}
    assert set() == codes(composed(**fields))


def test_a_home_beneath_the_private_tmp_is_not_writable():
    """The sandbox's /tmp is another one."""
    assert set() == codes(composed(home="/tmp/me"))


@pytest.mark.parametrize(
    ("path", "expected"), [("/home/me/project/policy.yaml", ["workdir:/home/me/project"]), ("/etc/policy.yaml", [])]
)
def test_a_policy_that_the_sandbox_may_rewrite_is_a_finding(path, expected):
    """Its next run would be granted what it wrote there."""
    world = World(folders=["/home/me/project", "/etc"], files=[path])
    effective = composed(include_workdir=True, policy_file=path, resolve=world.resolve)
    assert expected == [finding.grant for finding in findings(effective, "policy.writable")]


def test_a_link_that_an_earlier_run_may_have_made_is_refused():
    """The sandbox may write to its folder; it must not choose what its next run is granted."""
    world = World(folders=["/home/me/project", "/srv/secret"]).link("/home/me/project/out", "/srv/secret")
    with pytest.raises(PolicyRefused) as caught:
        composed(include_workdir=True, read_write=["/home/me/project/out"], resolve=world.resolve)
    assert ("policy.link-in-writable", 110) == (caught.value.code, caught.value.line)
    assert "/srv/secret" in caught.value.message


def test_a_link_within_a_writable_folder_is_not():
    """It leads to what is granted already."""
    world = World(folders=["/home/me/project/v1"]).link("/home/me/project/out", "/home/me/project/v1")
    effective = composed(include_workdir=True, read_write=["/home/me/project/out"], resolve=world.resolve)
    assert set() == codes(effective)
