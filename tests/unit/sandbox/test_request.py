"""What is asked of the zygote, and what is refused before."""

import marshal

import pytest

from pyopenshell import AsyncSandbox, OpenShellError, Policy, PolicyError, Sandbox, UsageError
from pyopenshell.launch import wire
from pyopenshell.planning import RunRequest
from pyopenshell.policy import cache, load
from pyopenshell.sandbox import request
from pyopenshell.state import state_root


def create(*arguments, **options):
    """What is asked for a sandbox of these arguments."""
    box = Sandbox(*arguments, **options)
    return marshal.loads(request.create(box._request, box._policy)[wire.HEAD :])


def test_the_fields_are_those_of_a_request():
    """All but the policy, which travels as file and text, the built-in one not at all; and what a gateway gives."""
    asked = create(name="one", gpu="all", env={"A": "b=c", "D": None}, devices=["vendor.com/gpu=0"])
    of_gateways = {"own_folder", "cpu", "memory", "pids"}
    assert set(asked["request"]) | {"policy"} == set(RunRequest._fields) - of_gateways
    made = RunRequest(**asked["request"])
    assert ("one", -1, ("A=b=c", "D")) == (made.name, made.gpu, made.env)
    assert asked["policy"] is None
    assert create(Policy.default())["policy"] is None
    text = "version: 1\nfilesystem_policy: {read_only: [/opt]}\n"
    assert (None, text) == create(Policy.parse(text))["policy"][:2]


def test_paths_are_absolute(tmp_path, monkeypatch):
    """Who asks may change its folder before the sandbox is started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text("version: 1\n")
    asked = create("policy.yaml", workdir="sub", cdi_spec_dirs=["cdi"])
    assert (str(tmp_path / "sub"), (str(tmp_path / "cdi"),)) == (
        asked["request"]["workdir"],
        asked["request"]["cdi_spec_dirs"],
    )
    assert str(tmp_path / "policy.yaml") == asked["policy"][0]


@pytest.mark.parametrize(
    "options",
    [
        {"gpu": -2},
        {"gpu": "some"},
        {"devices": "vendor.com/gpu=0"},
        {"programs": "python"},
        {"programs": [3]},
        {"env": {"A=B": "c"}},
        {"env": {"": "c"}},
        {"env": {"A": 3}},
        {"env": {"A": "\0"}},
        {"env": "A=1"},
        {"env": ["A=1"]},
        {"devices": None},
        {"gpu": True},
        {"gpu": 1.5},
        {"gpu": 10**30},
        {"name": 5},
        {"max_abi": "x"},
        {"max_abi": 2.5},
        {"max_abi": -1},
        {"workdir": ""},
        {"workdir": "/a\0b"},
        {"programs": [""]},
    ],
)
@pytest.mark.parametrize("kind", [Sandbox, AsyncSandbox])
def test_what_makes_no_sense_is_refused(kind, options):
    """When the object is made."""
    with pytest.raises(UsageError):
        kind(**options)


@pytest.mark.parametrize("policy", ["version: 1\n", {"version": 1}, 7])
def test_what_is_no_policy_is_refused(policy):
    """With the constructor that takes it."""
    with pytest.raises(UsageError) as refused:
        Sandbox(policy)
    assert "Policy" in str(refused.value.hint)


def test_a_folder_that_was_deleted(tmp_path, monkeypatch):
    """There is no working directory then, unless one is named."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="deleted"):
        create()
    assert "/" == create(workdir=str(tmp_path))["cwd"]


def test_what_was_parsed_goes_with_the_request():
    """Also of a policy whose place in the cache others took since: the zygote needs no YAML parser for it."""
    policy = Policy.parse("version: 1\n# mine\n")
    folder = f"{state_root()}/policies"
    for number in range(cache.MOST + 1):
        Policy.parse(f"version: 1\n# {number}\n")
    assert cache.get(folder, policy.source.sha256) is None
    _, text, tree = create(policy)["policy"]
    assert policy == load.parse(text.encode(), tree=cache.node(tree))


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (None, {}),
        ([], {}),
        ([""], {}),
        (["a\0b"], {}),
        (["a"], {"env": "A=1"}),
        (["a"], {"env": [("A", "1")]}),
        (["a"], {"cwd": ""}),
        (["a"], {"cwd": "a\0b"}),
        *((["a"], {"terminal": size}) for size in (None, 80, (24,), "yes", ("a", "b"), (24.5, 80), (0, 80))),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(argv, options):
    """Before anything is sent."""
    with pytest.raises(UsageError):
        request.command(argv, **{"env": None, "cwd": None, "terminal": False, **options})


@pytest.mark.parametrize("timeout", ["5", b"5", -1, float("nan"), [5]])
def test_a_time_that_makes_no_sense_is_refused(timeout):
    """And one that is longer than anybody waits is none."""
    with pytest.raises(UsageError):
        request.seconds(timeout)
    assert (None, None, 5.0) == (request.seconds(10**400), request.seconds(float("inf")), request.seconds(5))


@pytest.mark.parametrize("number", [0, -1, 65, 10**20, "9", 9.0, True])
def test_what_is_no_signal_is_refused(number):
    """It would be the frame that breaks the connection."""
    with pytest.raises(UsageError):
        request.signal(number)


def test_text_that_is_none_is_no_input():
    """A lone surrogate has no bytes, but for those that stand for a byte."""
    assert b"\xff" == request.data("\udcff")
    with pytest.raises(UsageError):
        request.data("\ud800")


def test_a_frame_that_is_too_large_is_refused():
    """The other side would take it for the end."""
    assert wire.MAX_PAYLOAD == request.checked(wire.MAX_PAYLOAD)
    with pytest.raises(UsageError, match="16,777,217 bytes"):
        request.checked(wire.MAX_PAYLOAD + 1)
    with pytest.raises(UsageError, match="variables"):
        create(env={"A": "x" * wire.MAX_PAYLOAD})


def test_a_mapping_in_a_circle_is_no_policy():
    """Nor one that is no mapping."""
    circle: dict[str, object] = {"version": 1}
    circle["process"] = circle
    with pytest.raises(PolicyError, match="too deeply"):
        Policy.from_dict(circle)
    with pytest.raises(PolicyError, match="cannot stand in a policy"):
        Policy.from_dict("version: 1")  # type: ignore[arg-type]


def test_a_policy_that_cannot_be_read_is_named(tmp_path):
    """In the message itself, which is all that a traceback shows."""
    with pytest.raises(OpenShellError, match=r"none\.yaml: cannot read the policy: No such file"):
        Sandbox(tmp_path / "none.yaml")
