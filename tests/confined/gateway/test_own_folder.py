"""A sandbox's own folder on the real kernel: at /sandbox where the host has that to mount on, else at its own path."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.confined.landlock.harness import NOBODY
from tests.confined.launch import world
from tests.confined.launch.conftest import needs_landlock
from tests.conftest import whom_sandboxes_run_as

LOOK = """
import json, os, sys
def attempt(action, *arguments):
    try:
        return action(*arguments)
    except OSError as error:
        return error.strerror
print(json.dumps({
    "cwd": os.getcwd(), "home": os.environ["HOME"], "seen": sorted(os.listdir(".")),
    "made": attempt(os.mkdir, "made"), "others": attempt(os.listdir, sys.argv[1]),
    "hosts": attempt(open, "/sandbox/hosts"), "in x": attempt(os.mkdir, "/sandbox/x/inner"),
}))
"""
DECLARED = ("/sandbox", "/sandbox/x", "/sandbox/deep/er")


class Place:
    """Folders of the host: of sandboxes, of state, and what a new root is made in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.own = path / "sandboxes" / "one"
        for folder in (self.own, path / "sandboxes" / "two", path / "root"):
            folder.mkdir(parents=True)
        (path / "sandboxes" / "two" / "secret").touch()
        self.own.chmod(0o700)
        self.uid = 0
        self.world: tuple[str, ...] = ()

    def start(self, *, policy=None, host_has_it=None, vanishes=False, verify=False, why=(), command=None):
        """Launch it; return what is known of it, what its program printed, and what came of the launch."""
        (self.path / "policy.yaml").write_text(json.dumps(policy or world.policy(workdir=False)))
        asked = {
            "root": None if host_has_it is None else (str(self.path / "root"), "with" if host_has_it else "without"),
            "own": str(self.own),
            "uid": self.uid,
            "around": [sys.executable, "-c", world._FILTER, *self.world, "--"] if self.world else [],
            "policy": str(self.path / "policy.yaml"),
            "command": command or [world.PYTHON, "-I", "-S", "-c", LOOK, str(self.own.parent)],
            "vanishes": vanishes,
            "verify": verify,
            "why": list(why),
            "result": str(self.path / "result.json"),
        }
        state = {"XDG_STATE_HOME": str(self.path / "state"), "XDG_CONFIG_HOME": str(self.path / "config")}
        done = subprocess.run(
            [sys.executable, "-m", "tests.confined.gateway.own", json.dumps(asked)],
            env={**os.environ, **state, "HOME": str(self.path / "home")},
            capture_output=True,
            text=True,
            timeout=world.SECONDS,
            check=False,
        )
        if vanishes:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads((self.path / "result.json").read_text()), json.loads(done.stdout or "null")


@pytest.fixture
def place():
    """Folders that no private one hides; they belong to who tests."""
    needs_landlock()
    world.needs_python()
    path = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    path.chmod(0o755)
    yield Place(path)
    shutil.rmtree(path)


@pytest.fixture
def shown(place):
    """The same where the host has a folder /sandbox, for root."""
    world.needs_root()
    world.needs_namespaces()
    return place


@pytest.fixture(params=["root", "user"])
def anyones(shown, request):
    """The same, for root and for an ordinary user."""
    if request.param == "user":
        shown.uid = NOBODY
        for folder, _folders, files in os.walk(shown.path):
            os.chown(folder, NOBODY, NOBODY)
            for name in files:
                os.chown(f"{folder}/{name}", NOBODY, NOBODY)
    return shown


def grants(known, *, kind):
    """Return the grants of an origin, by their path."""
    return {grant["path"]: grant for grant in known["effective"]["grants"] if grant["origin"]["kind"] == kind}


def test_shown_at_sandbox(anyones):
    """It is the working directory and home; what the host has there, and other sandboxes' folders, are out of sight.

    The latter also where a grant encloses them.
    """
    policy = world.policy((anyones.path,), DECLARED, workdir=False)
    known, seen = anyones.start(host_has_it=True, verify=True, policy=policy)
    denied = {"others": "Permission denied", "hosts": "No such file or directory"}
    expected = {"cwd": "/sandbox", "home": "/sandbox", "seen": ["x"], "made": None, "in x": None}
    assert {**expected, **denied} == seen
    assert ["made", "x"] == sorted(os.listdir(anyones.own))
    assert ["inner"] == os.listdir(anyones.own / "x")
    assert [["as reported", []]] == known["verified"]


def test_what_is_reported_of_it(shown):
    """One grant says what is shown, and its rule stands on that folder; what is declared there lies in it."""
    known, _ = shown.start(host_has_it=True, policy=world.policy((), DECLARED, workdir=False))
    (own,) = grants(known, kind="workdir").values()
    assert ("/sandbox", str(shown.own), "enforced") == (own["path"], own["source"], own["status"])
    assert "made for it alone" in own["reason"]
    about = os.stat(shown.own)
    rule = next(rule for rule in known["receipt"]["rules"] if rule["grant"] == own["id"])
    assert (about.st_dev, about.st_ino) == (rule["dev"], rule["ino"])
    declared = grants(known, kind="declared")
    assert ["enforced", "enforced", "skipped"] == [declared[path]["status"] for path in DECLARED]
    assert "created" == declared["/sandbox/x"]["detail"]["message"]
    missing = [one for one in known["effective"]["findings"] if one["code"] == "declared.missing"]
    assert ["Medium"] == [one["severity"] for one in missing]


def test_tmp_is_its_own_too(shown):
    """Where a policy names /tmp, the sandbox's is meant, as in OpenShell's containers; the host's is out of sight."""
    with tempfile.NamedTemporaryFile(dir="/tmp") as hosts:
        command = [world.PYTHON, "-I", "-S", "-c", "import os; print(len(os.listdir('/tmp')), end='')"]
        known, seen = shown.start(
            host_has_it=True, command=command, policy=world.policy((), ("/tmp",), workdir=False), verify=True
        )
        assert os.path.exists(hosts.name)
    assert 0 == seen
    assert "enforced" == grants(known, kind="declared")["/tmp"]["status"]
    assert "private" == known["effective"]["isolation"]["pathname_sockets"]["state"]


def test_it_is_not_asked_whose_it_is(place):
    """A folder that another sandbox's identity had before says nothing about whom this one runs as."""
    world.needs_root()
    os.chown(place.own, NOBODY, NOBODY)
    known, _ = place.start()
    assert "workdir owner" != known["effective"]["identity"]["source"]


def test_why(shown):
    """What is asked about /sandbox is answered by what is in the own folder, links included."""
    (shown.own / "file").touch()
    (shown.own / "away").symlink_to("/etc/passwd")
    os.chown(shown.own / "file", whom_sandboxes_run_as(), -1)
    asked = [
        ("read", "/sandbox/file"),
        ("read", "/sandbox/hosts"),
        ("write", "/sandbox/away"),
        ("create", "/sandbox/new"),
    ]
    known, _ = shown.start(host_has_it=True, why=asked)
    assert [True, "/sandbox/file"] == known["why"]["read /sandbox/file"]
    assert [False, "/sandbox/hosts"] == known["why"]["read /sandbox/hosts"]
    assert [False, "/etc/passwd"] == known["why"]["write /sandbox/away"]
    assert [True, "/sandbox"] == known["why"]["create /sandbox/new"]


def test_the_command_may_lie_in_it(shown):
    """A script that was left there is found, by its path and as a relative one."""
    script = shown.own / "run"
    script.write_text("#!/bin/sh\necho '\"it ran\"'\n")
    script.chmod(0o755)
    shown.own.chmod(0o755)
    for name in ("./run", "/sandbox/run"):
        known, printed = shown.start(host_has_it=True, command=[name])
        assert "it ran" == printed
        assert "/sandbox/run" in grants(known, kind="baseline")


def test_at_its_own_path(place):
    """On a host without /sandbox it is where it is; what is declared at /sandbox is skipped, and not made."""
    if os.path.lexists("/sandbox"):
        world.needs_root()
    known, seen = place.start(
        host_has_it=False if os.path.lexists("/sandbox") else None,
        verify=True,
        policy=world.policy((), DECLARED, workdir=False),
    )
    missing = "No such file or directory"
    own = str(place.own)
    assert (own, own, None, missing) == tuple(seen[key] for key in ("cwd", "home", "made", "in x"))
    assert [own] == list(grants(known, kind="workdir"))
    assert ["skipped"] * 3 == [grant["status"] for grant in grants(known, kind="declared").values()]
    assert "own-folder.elsewhere" in {one["code"] for one in known["effective"]["findings"]}
    assert [["as reported", []]] == known["verified"]


def test_without_mounts_the_hosts_stays_closed(anyones):
    """Where nothing can be anyones, a /sandbox of the host is not granted in place of the sandbox's own folder."""
    anyones.world = world.NO_MOUNTS
    known, seen = anyones.start(host_has_it=True, verify=True, policy=world.policy((), DECLARED, workdir=False))
    assert "open" == known["effective"]["isolation"]["mount"]["state"]
    assert (str(anyones.own), "Permission denied") == (seen["cwd"], seen["hosts"])
    assert ["skipped"] * 3 == [grant["status"] for grant in grants(known, kind="declared").values()]
    assert [["as reported", []]] == known["verified"]


def test_one_that_cannot_be_shown_ends_the_launch(shown):
    """The host's /sandbox never stands in for it."""
    done = shown.start(host_has_it=True, vanishes=True)
    assert done.returncode != 0
    assert f"step 'mounts': {shown.own} at /sandbox: No such file or directory" in done.stderr
    assert "" == done.stdout
