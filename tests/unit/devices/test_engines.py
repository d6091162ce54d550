"""Container engines: what their versions and files say about CDI, in hosts made in a folder; nothing real is asked."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from pyopenshell.devices import engine_config, engine_version, engines
from pyopenshell.devices.engine_config import Settings
from pyopenshell.devices.engines import OFF, ON, TOO_OLD, UNKNOWN, find
from tests.unit.devices.anyone import as_anyone

ROWS = {row.name: row for row in engines.ROWS}
SAYS = {
    "podman": "podman version 4.3.1",
    "docker": "Docker version 28.2.2, build e6534b4",
    "dockerd": "Docker version 28.2.2, build 45873be",
    "containerd": "containerd github.com/containerd/containerd/v2 v2.0.5 fb4c30d",
    "crio": "crio version 1.30.4",
    "kubelet": "Kubernetes v1.29.1",
}


class Host:
    """A root with programs that say a version, and files."""

    def __init__(self, root):
        self.root = str(root)
        self.answers = {}
        self.environ = {"PATH": "/usr/bin", "HOME": "/root"}

    def program(self, name, says=None, folder="/usr/bin"):
        path = self.file(f"{folder}/{name}", "#!/bin/sh\n")
        os.chmod(path, 0o755)
        self.answers[path] = SAYS[name] if says is None else says

    def file(self, path, text):
        place = self.root + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        return place

    def found(self):
        every = find(self.environ, self.root, lambda paths: {path: self.answers[path] for path in paths})
        return {engine.name: engine for engine in every}


@pytest.fixture
def host(open_folder):
    return Host(open_folder)


def test_none(host):
    """A host without engines has none; files with their names that nobody may execute are none."""
    host.file("/usr/bin/docker", "")
    assert {} == host.found()


def test_every_engine(host):
    """Each is found with the version it says, wherever it lies."""
    for name in SAYS:
        host.program(name, folder="/usr/sbin" if name == "dockerd" else "/usr/bin")
    found = host.found()
    assert [row.name for row in engines.ROWS] == [*found]
    assert ["4.3.1", "28.2.2", "2.0.5", "1.30.4", "1.29.1"] == [engine.version for engine in found.values()]
    assert "/usr/sbin/dockerd" == found["docker"].program
    assert {ON} == {engine.cdi for engine in found.values()}


def test_podmans_program_named_docker(host):
    """podman-docker is podman: it is no second engine."""
    host.program("docker", "Emulate Docker CLI using podman.\npodman version 4.3.1")
    host.program("podman")
    assert ["podman"] == [*host.found()]


def test_the_daemon_decides(host):
    """A newer client beside it says nothing about what the daemon can do; a client alone is taken for what there is."""
    host.program("docker")
    assert ("28.2.2", ON) == (host.found()["docker"].version, host.found()["docker"].cdi)
    host.program("dockerd", "Docker version 20.10.24, build 5d6db84", "/usr/sbin")
    assert ("20.10.24", TOO_OLD) == (host.found()["docker"].version, host.found()["docker"].cdi)


@pytest.mark.parametrize("says", ["", "no number", "error: cannot start", "v2"])
def test_an_engine_that_does_not_tell(host, says):
    """Its version is not known then, and neither is what CDI is in it."""
    host.program("containerd", says)
    assert (None, UNKNOWN) == (host.found()["containerd"].version, host.found()["containerd"].cdi)


@pytest.mark.parametrize(
    ("name", "version", "said", "expected"),
    [
        ("podman", "4.0.9", None, TOO_OLD),
        ("podman", "4.1.0", None, ON),
        ("podman", "5.2", None, ON),
        ("docker", "24.0.7", True, TOO_OLD),
        ("docker", "25.0.0", None, OFF),
        ("docker", "27.5.1", True, ON),
        ("docker", "28.1.1", None, OFF),
        ("docker", "28.2.0", None, ON),
        ("docker", "28.2.0", False, OFF),
        ("docker", "100.1", None, ON),
        ("containerd", "1.6.20", None, TOO_OLD),
        ("containerd", "1.7.27", None, OFF),
        ("containerd", "1.7.27", True, ON),
        ("containerd", "2.0.0", None, ON),
        ("containerd", "2.0.0", False, OFF),
        ("cri-o", "1.22.5", None, TOO_OLD),
        ("cri-o", "1.30.4", None, ON),
        ("kubelet", "1.28.3", None, OFF),
        ("kubelet", "1.29.0", None, ON),
    ],
)
def test_state(name, version, said, expected):
    """What CDI is follows from the version, and where that leaves it open from the configuration."""
    assert expected == engines.state(ROWS[name], version, Settings(said, "a file"))[0]


def test_a_configuration_that_cannot_be_read_leaves_it_open():
    """Where the files decide and cannot be read, no default is claimed."""
    assert UNKNOWN == engines.state(ROWS["docker"], "27.0.1", Settings(unreadable=("/x",)))[0]
    assert UNKNOWN == engines.state(ROWS["docker"], "27.0.1", Settings(invalid=(("/x", "bad"),)))[0]
    assert TOO_OLD == engines.state(ROWS["docker"], "20.10.1", Settings(unreadable=("/x",)))[0]


CONTAINERD_2 = """\
version = 2
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.grpc.v1.cri"]
  enable_cdi = true
"""
CONTAINERD_NVIDIA = """\
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia]
  runtime_type = "io.containerd.runc.v2"
"""


@pytest.mark.parametrize(
    ("engine", "files", "cdi", "runtimes"),
    [
        ("docker", {}, None, ()),
        ("docker", {"/etc/docker/daemon.json": ""}, None, ()),
        ("docker", {"/etc/docker/daemon.json": '{"features": {"cdi": true}}'}, True, ()),
        ("docker", {"/etc/docker/daemon.json": '{"features": {"cdi": "yes"}}'}, None, ()),
        ("docker", {"/etc/docker/daemon.json": '{"runtimes": {"nvidia": {"path": "x"}}}'}, None, ("nvidia",)),
        ("containerd", {"/etc/containerd/config.toml": CONTAINERD_2}, True, ()),
        (
            "containerd",
            {"/etc/containerd/config.toml": CONTAINERD_2, "/etc/containerd/conf.d/99.toml": CONTAINERD_NVIDIA},
            True,
            ("nvidia",),
        ),
        ("containerd", {"/etc/containerd/conf.d/99.toml": CONTAINERD_NVIDIA}, None, ()),
        ("podman", {"/etc/containers/containers.conf.d/n.conf": "[engine.runtimes]\nnvidia = []"}, None, ("nvidia",)),
        ("cri-o", {"/etc/crio/crio.conf.d/9": "[crio.runtime.runtimes.nvidia]\nx = 1"}, None, ("nvidia",)),
        ("kubelet", {"/var/lib/kubelet/config.yaml": "featureGates: {DevicePluginCDIDevices: false}"}, False, ()),
    ],
)
def test_files(host, engine, files, cdi, runtimes):
    """The files are read as each engine reads its own, drop-in folders and imports too."""
    for path, text in files.items():
        host.file(path, text)
    settings = engine_config.read(engine, {}, host.root)
    assert (cdi, runtimes, (), ()) == (settings.cdi, settings.runtimes, settings.unreadable, settings.invalid)


@pytest.mark.parametrize(
    ("engine", "path"),
    [
        ("docker", "/etc/docker/daemon.json"),
        ("containerd", "/etc/containerd/config.toml"),
        ("podman", "/etc/containers/containers.conf"),
        ("cri-o", "/etc/crio/crio.conf"),
        ("kubelet", "/var/lib/kubelet/config.yaml"),
    ],
)
@pytest.mark.parametrize(
    "data", [b"\xff\xfe\0", b"{" * 100_000, b"[" * 100_000, b"]]", b"\0", b'"text"', b"x" * (2 << 20)], ids=len
)
def test_garbage(host, engine, path, data):
    """Whatever stands in a file, it is a file that is wrong, with what is wrong, and never an error of ours."""
    with open(host.file(path, ""), "wb") as file:
        file.write(data)
    settings = engine_config.read(engine, {}, host.root)
    assert (None, (), ()) == (settings.cdi, settings.runtimes, settings.unreadable)
    ((where, problem),) = settings.invalid
    assert path == where
    assert problem


def test_what_is_no_file(host):
    """A pipe with the name is not waited for, a folder is not read, a circle of links is not followed."""
    host.file("/etc/docker/x", "")
    os.mkfifo(f"{host.root}/etc/docker/daemon.json")
    assert [("/etc/docker/daemon.json", "it is no regular file")] == [
        *engine_config.read("docker", {}, host.root).invalid
    ]
    os.unlink(f"{host.root}/etc/docker/daemon.json")
    os.symlink("daemon.json", f"{host.root}/etc/docker/daemon.json")
    assert ("/etc/docker/daemon.json",) == engine_config.read("docker", {}, host.root).unreadable


def test_mappings_that_are_none(host):
    """Lists and numbers where tables should be say nothing."""
    host.file("/etc/docker/daemon.json", json.dumps({"features": [1], "runtimes": 3}))
    host.file("/etc/containerd/config.toml", 'imports = 3\nplugins = ["x"]')
    for engine in ("docker", "containerd"):
        assert (None, ()) == (
            engine_config.read(engine, {}, host.root).cdi,
            engine_config.read(engine, {}, host.root).runtimes,
        )


def test_a_file_that_may_not_be_read(host):
    """It is told as that."""
    path = "/etc/docker/daemon.json"
    os.chmod(host.file(path, "{}"), 0)
    assert [path] == as_anyone(lambda: [*engine_config.read("docker", {}, host.root).unreadable])


def test_sockets(host, tmp_path_factory, monkeypatch):
    """Sockets that exist are told with whether this user may connect; they are not connected to."""
    host.program("podman")
    os.makedirs(f"{host.root}/run/podman")
    os.makedirs(f"{host.root}/run/user")
    monkeypatch.chdir(f"{host.root}/run/podman")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("podman.sock")
        server.listen()
        server.settimeout(0)
        os.makedirs(f"{host.root}/run/user/podman")
        host.file("/run/user/podman/podman.sock", "")
        host.environ["XDG_RUNTIME_DIR"] = "/run/user"
        assert (("/run/podman/podman.sock", True),) == host.found()["podman"].sockets
        with pytest.raises(BlockingIOError):
            server.accept()


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def trusted(monkeypatch):
    """As root programs in a test's folder would not be run."""
    monkeypatch.setattr(engine_version, "only_roots", lambda _: True)


@pytest.mark.usefixtures("trusted")
def test_programs_are_asked(tmp_path):
    """Each is run with --version, without the caller's variables; errors and failures are no answer."""
    good = program(tmp_path / "good", 'echo "$1 $HOME"')
    bad = program(tmp_path / "bad", "echo wrong >&2; exit 3")
    other = str(tmp_path / "script")
    (tmp_path / "script").write_bytes(b"no program")
    assert {good: "--version /proc/self\n", bad: ""} == engine_version.ask([good, bad, other, str(tmp_path / "none")])


@pytest.mark.usefixtures("trusted")
def test_programs_that_do_not_end(tmp_path, monkeypatch):
    """One that hangs, one that floods and one whose child keeps its output do not hold anybody up."""
    monkeypatch.setattr(engine_version, "SECONDS", 1.0)
    programs = [
        program(tmp_path / "hangs", "exec sleep 100"),
        program(tmp_path / "floods", "exec yes 1.2.3"),
        program(tmp_path / "forks", f"sleep 100 & echo $! >{tmp_path}/left; echo 4.5.6"),
    ]
    start = time.monotonic()
    answers = [*engine_version.ask(programs).values()]
    assert time.monotonic() - start < 5
    assert [None, "1.2.3", "4.5.6"] == [engine_version.parsed(answer) for answer in answers]
    assert len(answers[1]) <= engine_version.LIMIT
    left = int((tmp_path / "left").read_text())
    for _ in range(100):
        if not os.path.exists(f"/proc/{left}") or " Z " in Path(f"/proc/{left}/stat").read_text():
            break
        time.sleep(0.02)
    else:
        pytest.fail("what a program started outlives it")


def test_whose_programs_root_runs(tmp_path):
    """As root what others could have written is not run: not in a test's folder below /tmp, but in the system's."""
    mine = program(tmp_path / "x", "echo 1.2.3")
    os.chmod(mine, 0o777)
    assert not engine_version.only_roots(mine)
    assert engine_version.only_roots(os.path.realpath("/bin/sh"))
    if os.geteuid() == 0:
        assert {} == engine_version.ask([mine])


@pytest.mark.parametrize(
    ("text", "version"),
    [*zip(SAYS.values(), ("4.3.1", "28.2.2", "28.2.2", "2.0.5", "1.30.4", "1.29.1"), strict=True), ("3" * 5000, None)],
)
def test_versions(text, version):
    """The first version in what a program prints counts."""
    assert version == engine_version.parsed(text)


def test_python_is_asked_for_real():
    """A real program of this host tells its version."""
    path = os.path.realpath("/usr/bin/python3")
    if not os.path.exists(path):
        pytest.skip("needs: /usr/bin/python3")
    assert engine_version.parsed(engine_version.ask([path])[path]) is not None
