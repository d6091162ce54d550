"""What composition refuses, each with the line of the policy."""

import pytest

from pyopenshell.effective.model import Dropped, Isolation, LandlockReport
from pyopenshell.errors import PolicyRefused
from tests.unit.effective.cases import ISOLATED, STATE, World, composed


def refusal(**fields):
    """Compose, and return (code, line) of the refusal, None where there is none."""
    try:
        composed(**fields)
    except PolicyRefused as error:
        return error.code if error.hint else "no hint", error.line
    return None


INSIDE = "policy.read-only-inside-read-write"


@pytest.mark.parametrize(
    ("read_only", "read_write", "expected"),
    [
        (["/data/set"], ["/data"], (INSIDE, 10)),
        (["/etc", "/data"], ["/data"], (INSIDE, 11)),
        (["/data/set/"], ["/data/"], (INSIDE, 10)),
        (["/bin"], ["/usr"], (INSIDE, 10)),
        (["/usr/bin"], ["/bin"], (INSIDE, 10)),
        (["/data/none"], ["/data"], (INSIDE, 10)),
        (["/data/none/deep"], ["/data/none"], (INSIDE, 10)),
        (["/data"], ["/data/set"], None),
        (["/data/set"], ["/data/se"], None),
        (["/data"], ["/database"], None),
    ],
    ids=[
        "inside",
        "same",
        "slashes",
        "by link",
        "link is writable",
        "missing",
        "both missing",
        "outer",
        "prefix",
        "name",
    ],
)
def test_read_only_inside_read_write(read_only, read_write, expected):
    """Landlock's rules add up: as written or as resolved, nesting is refused; the other way round is fine."""
    assert expected == refusal(read_only=read_only, read_write=read_write)


def test_a_link_inside_a_writable_folder_that_leads_out():
    """Its target would stay read-only, but the link can be replaced: refused as written."""
    world = World(folders=["/data", "/other"]).link("/data/link", "/other")
    assert (INSIDE, 10) == refusal(read_only=["/data/link"], read_write=["/data"], resolve=world.resolve)
    world.link("/alias", "/data")
    assert (INSIDE, 10) == refusal(read_only=["/alias/link"], read_write=["/alias"], resolve=world.resolve)


@pytest.mark.parametrize(
    ("path", "included", "expected"),
    [
        ("/home/me/project/src", True, (INSIDE, 10)),
        ("/home/me/project", True, (INSIDE, 10)),
        ("/home/me/project/src", False, None),
        ("/home/me", True, None),
    ],
)
def test_read_only_inside_the_working_directory(path, included, expected):
    """The working directory counts as read-write where the policy includes it."""
    assert expected == refusal(read_only=[path], include_workdir=included)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"read_write": [STATE]}, ("policy.protected-folder", 110)),
        ({"read_write": ["/data", "/home/me"]}, ("policy.protected-folder", 111)),
        ({"read_write": [f"{STATE}/runs"]}, ("policy.protected-folder", 110)),
        ({"read_write": ["/home/me/.config"]}, ("policy.protected-folder", 110)),
        ({"read_only": ["/home/me", STATE]}, None),
        ({"read_write": [f"{STATE}-other"]}, None),
        ({"include_workdir": True, "workdir": "/home/me"}, ("policy.protected-folder", None)),
        ({"include_workdir": False, "workdir": "/home/me"}, None),
    ],
    ids=[
        "itself",
        "around",
        "inside, missing",
        "not there yet",
        "reading",
        "only a prefix",
        "workdir",
        "workdir not included",
    ],
)
def test_state_and_configuration_are_never_writable(fields, expected):
    """Neither by a folder that holds them, nor by one in them, nor as the working directory."""
    assert expected == refusal(**fields)


def test_protected_folders_are_compared_by_where_they_are():
    """A state folder behind a link is protected at its place."""
    world = World(folders=["/big/state", "/home/me/project"]).link("/state", "/big/state")
    fields = {"protected": (("/state", "state"),), "resolve": world.resolve}
    assert ("policy.protected-folder", 110) == refusal(read_write=["/big"], **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"include_workdir": True, "workdir": "/"}, ("policy.root-writable", None)),
        ({"include_workdir": False, "workdir": "/"}, None),
        ({"read_write": ["/rootlink"]}, ("policy.root-writable", 110)),
        ({"read_only": ["/rootlink"]}, None),
    ],
)
def test_the_root_folder_is_never_writable(fields, expected):
    """Not as the working directory, and not through a link."""
    world = World(folders=["/home/me/project"]).link("/rootlink", "/")
    assert expected == refusal(**fields, resolve=world.resolve)


def report(*gaps: Dropped, abi: int = 2) -> LandlockReport:
    return LandlockReport("hard_requirement", abi, ("read_file",), gaps)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, False),
        ({"landlock": report(Dropped("truncate", 3, "Files can be emptied."))}, True),
        ({"landlock": report(Dropped("truncate", 3, "Files can be emptied.", "seccomp filter"))}, False),
        ({"landlock": report(abi=0)}, True),
        ({"isolation": {**ISOLATED, "pathname_sockets": Isolation("open", "none")}}, True),
        ({"isolation": {**ISOLATED, "pid": Isolation("open", "none")}}, False),
    ],
    ids=["all there", "right missing", "right replaced", "no Landlock", "open sockets", "shared pids"],
)
def test_hard_requirement(fields, refused):
    """What best_effort forgives is refused: a right that nothing replaces, reachable sockets."""
    assert None is refusal(**fields)
    expected = ("policy.hard-requirement", None) if refused else None
    assert expected == refusal(**fields, compatibility="hard_requirement")


def test_all_shortfalls_stand_in_one_error():
    """A person corrects everything at once."""
    with pytest.raises(PolicyRefused) as caught:
        composed(
            compatibility="hard_requirement",
            read_only=["/none"],
            landlock=report(Dropped("truncate", 3, "x"), Dropped("ioctl_dev", 5, "x")),
            isolation={"pathname_sockets": Isolation("open", "none")},
        )
    assert all(word in caught.value.message for word in ("/none", "truncate", "ioctl_dev", "sockets"))
