"""The environment: what passes, what is set, what stays outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.effective.model import Identity
from pyopenshell.errors import UsageError
from pyopenshell.launch.environment import DEFAULT_PATH, build, names

IDENTITY = Identity(1000, 1000, (), "caller", user="ada", home="/home/ada", shell="/bin/zsh")
OWN = {"HOME": "/home/ada", "USER": "ada", "LOGNAME": "ada", "SHELL": "/bin/zsh"}


def built(host, *extra, **options):
    """Build for ada, with these variables outside and these values of --env."""
    return build(host, extra, IDENTITY, **{"home": "/home/ada", **options})


def test_only_listed_names_pass():
    """Among them those of locales, CUDA and the driver; secrets and preloaded libraries stay outside."""
    passed = {
        "PATH": "/opt/bin:/bin",
        "TERM": "xterm",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "LC_ALL": "C",
        "TZ": "UTC",
        "CUDA_VISIBLE_DEVICES": "0",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }
    outside = dict.fromkeys(
        [
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "SSH_AUTH_SOCK",
            "DBUS_SESSION_BUS_ADDRESS",
            "XDG_RUNTIME_DIR",
            "LD_PRELOAD",
            "PYTHONPATH",
            "TMPDIR",
            "NVIDIA_API_KEY",
            "NVIDIA_NGC_AUTH_TOKEN",
            "CUDA_secret",
            "LC",
            "path",
        ],
        "x",
    )
    assert passed | OWN == built(passed | outside)


def test_who_the_sandbox_is_comes_from_its_identity():
    """Not from the caller, who may be someone else."""
    env = built({"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/evil"}, home="/run/openshell/home")
    assert OWN | {"HOME": "/run/openshell/home", "PATH": DEFAULT_PATH} == env


@pytest.mark.parametrize(("tmp", "expected"), [(None, {}), ("/tmp", {}), ("/tmp/own", {"TMPDIR": "/tmp/own"})])
def test_tmpdir_is_set_only_where_it_is_elsewhere(tmp, expected):
    """With a private /tmp programs need no telling."""
    assert {"PATH": "/bin"} | OWN | expected == built({"PATH": "/bin"}, tmp=tmp)


def test_the_cuda_cache_is_the_sandboxs_own():
    """It replaces the caller's, which the sandbox may not write."""
    assert "/run/c" == built({"CUDA_CACHE_PATH": "/home/ada/.nv"}, cuda_cache="/run/c")["CUDA_CACHE_PATH"]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("K=V", ("K", "V")),
        ("K=", ("K", "")),
        ("K=a=b", ("K", "a=b")),
        ("GITHUB_TOKEN", ("GITHUB_TOKEN", "t")),
        ("LD_PRELOAD=/x.so", ("LD_PRELOAD", "/x.so")),
        ("HOME=/elsewhere", ("HOME", "/elsewhere")),
    ],
)
def test_env_sets_or_passes_what_it_names(extra, expected):
    """Asked for by name, everything passes, and it wins over what we would set."""
    name, value = expected
    assert value == built({"GITHUB_TOKEN": "t"}, extra)[name]


def test_the_last_one_wins():
    """As for a shell's assignments."""
    assert "2" == built({}, "K=1", "K=2")["K"]


@pytest.mark.parametrize("extra", ["=V", "", "K\0=V", "K=V\0", "NOT_SET"])
def test_what_cannot_be_set_or_passed_is_refused(extra):
    """Nothing is dropped in silence."""
    with pytest.raises(UsageError) as caught:
        built({}, extra)
    assert "--env" in f"{caught.value.hint}"


@given(
    st.dictionaries(st.sampled_from(["PATH", "HOME", "CUDA_X", "AWS_KEY", "X"]), st.text(st.characters(), min_size=9))
)
def test_what_is_recorded_holds_no_value(host):
    """Names only, in order."""
    env = built(host)
    assert tuple(sorted(env)) == names(env)
    assert set(names(env)) <= {"PATH", "CUDA_X", *OWN}
