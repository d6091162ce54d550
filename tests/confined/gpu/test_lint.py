"""``openshell gpu lint``, as it is typed: files, folders, standard input, and a host with a GPU."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
import yaml

from tests.unit.devices.cdi.cases import GOOD

SAMPLES = pathlib.Path(__file__).parents[2] / "unit/devices/cdi/samples"
BAD = GOOD.replace("deviceNodes", "deviceNoodles")


@pytest.fixture
def specs(workdir):
    """A folder of root's, or of whoever runs the tests."""
    folder = workdir / "cdi"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def lint(openshell):
    """Run the linter, by default on standard folders that are not there."""

    def run(*arguments, **options):
        environ = os.environ | {"OPENSHELL_CDI_SPEC_DIRS": "", "NO_COLOR": "1"}
        return openshell("gpu", "lint", *arguments, **({"env": environ} | options))

    return run


def test_a_clean_spec(lint, specs):
    """No fault, exit code 0, and what was checked."""
    (specs / "a.yaml").write_text(GOOD)
    said = lint(specs / "a.yaml")
    assert (0, "") == (said.returncode, said.stderr)
    assert ["ok", "0.5.0", "nvidia.com/gpu", "1", f"{specs}/a.yaml"] == said.stdout.splitlines()[1].split()
    assert "No faults." == said.stdout.splitlines()[-1]


def test_a_bad_spec(lint, specs):
    """One line for each fault, beneath its file: place, severity, code, words and mend; exit code 1."""
    (specs / "a.yaml").write_text(BAD)
    said = lint(specs)
    assert (1, "") == (said.returncode, said.stderr)
    rows = [line.split(maxsplit=3) for line in said.stdout.splitlines() if "  cdi." in line]
    message = "unknown field 'deviceNoodles' in containerEdits. Mend: write deviceNodes"
    assert ["6:5", "error", "cdi.unknown-field", message] == rows[0]
    assert f"\n{specs}/a.yaml\n" in said.stdout
    assert said.stdout.endswith("\n1 error, 0 warnings.\n")


def test_warnings_are_no_failure(lint, specs):
    """Exit code 0 where engines take the spec."""
    (specs / "a.yaml").write_text(GOOD + "---\n")
    said = lint(specs / "a.yaml")
    assert (0, "0 errors, 1 warning.") == (said.returncode, said.stdout.splitlines()[-1])


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_as_data(lint, specs, form, load):
    """The documented shape, in either form."""
    (specs / "a.yaml").write_text(BAD)
    (specs / "b.yaml").write_text(GOOD)
    said = lint("-o", form, specs)
    found = load(said.stdout)
    assert (1, False, 1, 0) == (said.returncode, found["clean"], found["errors"], found["warnings"])
    assert "pyopenshell.gpu-lint/1" == found["schema"]
    assert [{"path": str(specs), "errno": 0, "files": 2}] == found["folders"]
    unused = {"file": f"{specs}/a.yaml", "used": False, "kind": None, "version": None, "devices": None}
    used = {"file": f"{specs}/b.yaml", "used": True, "kind": "nvidia.com/gpu", "version": "0.5.0", "devices": 1}
    assert [unused, used] == found["specs"]
    keys = {"code", "severity", "message", "mend", "file", "line", "column"}
    assert [keys] == [set(fault) for fault in found["faults"]]


def test_standard_input():
    """A spec from a pipe, an empty one, and none."""
    command = [sys.executable, "-m", "pyopenshell", "gpu", "lint", "-"]
    for text, code in ((GOOD, 0), (BAD, 1), ("", 1)):
        said = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert code == said.returncode, said.stdout
    assert "cdi.empty" in said.stdout
    assert "\nstandard input\n" in said.stdout
    assert "standard input" == said.stdout.splitlines()[1].split("  ")[-1].strip()
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    said = subprocess.run(closed, capture_output=True, text=True, check=False)
    assert (4, 1) == (said.returncode, said.stderr.count("openshell: standard input: "))


def test_folders_that_are_configured(lint, specs):
    """The flag goes before the variable; a folder that was named must be there."""
    (specs / "a.yaml").write_text(GOOD)
    environ = os.environ | {"OPENSHELL_CDI_SPEC_DIRS": f"{specs}/gone"}
    said = lint(env=environ)
    assert (1, True) == (said.returncode, "cdi.folder-missing" in said.stdout)
    assert 0 == lint("--cdi-spec-dir", specs, env=environ).returncode


def test_what_cannot_be_asked(lint, specs):
    """A path that is not there is the system's error; paths and folders at once are a wrong command line."""
    said = lint(specs / "gone.yaml")
    assert (4, f"openshell: {specs}/gone.yaml: No such file or directory") == (
        said.returncode,
        said.stderr.splitlines()[0],
    )
    said = lint("-o", "json", specs / "gone.yaml")
    assert "cdi.no-such-path" == json.loads(said.stderr)["error"]["code"]
    said = lint("--cdi-spec-dir", specs, specs)
    assert (2, True) == (said.returncode, "do not go together" in said.stderr)


@pytest.mark.parametrize("path", ["/dev/zero", "/etc/passwd", "/etc/shadow", "/proc/self/mem", "/bin/sh"])
def test_files_of_the_system_are_left_alone(lint, path):
    """A slip of the fingers is answered with what to name, not with a command that breaks the host."""
    if not os.path.exists(path):
        pytest.skip(f"needs: {path}")
    found = json.loads(lint("-o", "json", path).stdout)
    mends = {fault["mend"] for fault in found["faults"]}
    assert mends
    assert mends <= {"name a spec file", "check it as a user who may read it"}


def test_an_empty_path(lint):
    """It is told in words."""
    said = lint("")
    assert (4, "openshell: an empty PATH names nothing") == (said.returncode, said.stderr.splitlines()[0])


def test_names_that_cannot_be_printed_are_typed_as_a_shell_takes_them(lint, specs):
    """A mend that names such a file can be run as it stands."""
    path = os.fsencode(specs) + b"/a\n\xff.yml"
    with open(path, "wb") as file:
        file.write(GOOD.encode())
    said = lint(specs)
    assert f"{specs}/a\\x0a\\xff.yml\n" in said.stdout
    command = f"mv $'{specs}/a\\x0a\\xff.yml' $'{specs}/a\\x0a\\xff.yaml'"
    assert f"Mend: {command}\n" in said.stdout
    if shutil.which("bash"):
        subprocess.run(["bash", "-c", command], check=True)
        assert [b"a\n\xff.yaml"] == os.listdir(os.fsencode(specs))


def test_names_never_reach_the_terminal_raw(lint, specs):
    """Neither a file's name nor what is in it steers a terminal."""
    (specs / "a\x1b[2J\n\udcff.yaml").write_text('"\\e[2J\\u202e": 1\n"x\\u0301": 2\n')
    (specs / "b.yaml").symlink_to("gone\x1b]0;x\x07")
    said = lint(specs)
    assert (1, "") == (said.returncode, said.stderr)
    assert all(line.isprintable() for line in said.stdout.splitlines())
    assert "\\x1b[2J" in said.stdout


def test_pipes_and_devices_do_not_stop_it(lint, specs):
    """A FIFO is told, not waited for; a link to an endless device is not read."""
    os.mkfifo(specs / "a.yaml")
    (specs / "b.yaml").symlink_to("/dev/zero")
    (specs / "c.json").symlink_to("c.json")
    start = time.monotonic()
    said = lint(specs, timeout=60)
    assert (1, 2, 1) == (said.returncode, said.stdout.count("cdi.not-a-file"), said.stdout.count("cdi.link-cycle"))
    assert time.monotonic() - start < 30


def test_an_ordinary_user(lint, specs):
    """What root alone may read is an error for others, and a warning for root."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("needs: root, setpriv")
    (specs / "a.yaml").write_text(GOOD)
    (specs / "a.yaml").chmod(0o600)
    specs.parent.chmod(0o755)
    os.chown(specs, 0, 0)
    said = lint(specs)
    assert (0, True) == (said.returncode, f"Mend: chmod a+r {specs}/a.yaml" in said.stdout)
    assert "cdi.mode" in said.stdout
    user = [setpriv, "--reuid=1234", "--regid=1234", "--clear-groups"]
    python = [sys.executable, "-m", "pyopenshell", "gpu", "lint", str(specs)]
    said = subprocess.run([*user, *python], capture_output=True, text=True, check=False, cwd="/")
    assert (1, "") == (said.returncode, said.stderr)
    assert "cdi.unreadable" in said.stdout
    assert "chmod" not in said.stdout, "it is no folder of specs: whose file that is, is not known"


NODES = ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1")
SCRIPT = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /sys
mkdir -p /sys/module/nvidia
echo 570.86.15 > /sys/module/nvidia/version
mount -t tmpfs -o mode=755 none /dev
for node in null $1; do mknod -m 666 /dev/$node c 1 3; done
mount -t tmpfs -o mode=755 none /run
if [ -n "$2" ]; then mkdir /run/cdi; cp "$2" /run/cdi/nvidia.yaml; chmod 644 /run/cdi/nvidia.yaml; fi
mount -t tmpfs -o mode=755 none /etc
shift 2
exec "$@"
"""
"""Makes a host of its own: /etc without specs, in /dev the nodes of $1, in /run/cdi the spec $2."""


@pytest.fixture
def host(workdir):
    """Run the linter on a host with two GPUs, made of null devices, and driver 570.86.15; ``/run/cdi`` has the spec."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("needs: root, unshare")

    def run(spec, *arguments, nodes=NODES, instead=None):
        path = ""
        if spec is not None:
            path = str(workdir / "spec.yaml")
            (workdir / "spec.yaml").write_text(spec)
        command = instead or [sys.executable, "-m", "pyopenshell", "gpu", "lint", *arguments]
        words = [unshare, "-m", "sh", "-c", SCRIPT, "sh", " ".join(nodes), path, *command]
        environ = os.environ | {"OPENSHELL_CDI_SPEC_DIRS": ""}
        return subprocess.run(words, capture_output=True, text=True, check=False, env=environ, cwd=workdir)

    return run


def test_a_host_with_gpus_and_no_spec(host):
    """Then, and only then, it is an error that the standard folders are missing: one, with one mend."""
    said = host(None, "-o", "json")
    found = json.loads(said.stdout)
    assert (1, True, "570.86.15") == (said.returncode, found["gpu"], found["driver"])
    expected = [("cdi.folder-missing", "/etc/cdi")]
    assert expected == [(fault["code"], fault["file"]) for fault in found["faults"]]


def test_a_host_without_gpus_and_specs(host):
    """There is nothing to check, and that is no failure."""
    said = host(None, nodes=())
    expected = "No CDI spec is in /etc/cdi or /var/run/cdi, and no GPU on this host: nothing to check.\n"
    assert (0, expected, "") == (said.returncode, said.stdout, said.stderr)


def test_a_spec_that_is_out_of_date(host):
    """A spec of another driver: libraries, hooks, nodes that are gone, and a GPU that came since."""
    text = (SAMPLES / "nvidia-550.54.15-index.yaml").read_text().replace("/dev/nvidia1", "/dev/nvidia2")
    said = host(text, "-o", "json")
    found = json.loads(said.stdout)
    faults = {(fault["code"].removeprefix("cdi."), fault["message"].split(" and ")[0]) for fault in found["faults"]}
    assert 1 == said.returncode
    lines = text.splitlines()
    for code, message in (
        ("driver-version", "the spec is for driver 550.54.15,"),
        ("node-missing", "device node /dev/nvidia2 is not here"),
        ("node-missing", "device node /dev/nvidia-modeset is not here"),
        ("mount-missing", "/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15 is to be mounted"),
        ("hook-missing", "hook /usr/bin/nvidia-ctk is not here"),
        ("uncovered", "/dev/nvidia1 is here"),
    ):
        assert any(code == name and said.startswith(message) for name, said in faults), (code, faults)
    for fault in found["faults"]:
        if fault["code"] == "cdi.node-missing":
            assert fault["message"].split()[2] in lines[fault["line"] - 1]
            assert "--output=/var/run/cdi/nvidia.yaml" in fault["mend"]


def test_a_spec_that_fits_its_host(host):
    """Nodes of the right numbers and a driver that runs: no fault."""
    nodes = "".join(f"    - path: /dev/{name}\n" for name in ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1"))
    said = host(GOOD.replace("    - path: /dev/null\n", nodes))
    assert (0, "No faults.") == (said.returncode, said.stdout.splitlines()[-1])
    assert "/var/run/cdi/nvidia.yaml" in said.stdout


def test_numbers_of_another_boot(host):
    """nvidia-uvm's major number changes with each boot: a spec that holds the old one is stale."""
    said = host(GOOD.replace("/dev/null\n", "/dev/nvidia-uvm\n      type: c\n      major: 511\n      minor: 0\n"))
    assert 1 == said.returncode
    assert "/dev/nvidia-uvm is 1:3, and the spec says 511:0" in said.stdout


def test_a_standard_folder_that_a_user_cannot_list(host):
    """One cause, one fault: nothing is said to be missing, for it may be there; ``gpu list`` says the same."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs: setpriv")
    user = f"exec {setpriv} --reuid=1234 --regid=1234 --clear-groups {sys.executable} -m pyopenshell gpu"
    for verb, expected in (("lint -o json", 1), ("list", 0)):
        said = host(None, instead=["sh", "-c", f"mkdir -m 700 /etc/cdi; cd /; {user} {verb}"])
        assert (expected, "") == (said.returncode, said.stderr)
        if expected:
            faults = [(fault["code"], fault["mend"]) for fault in json.loads(said.stdout)["faults"]]
            assert [("cdi.folder-unreadable", "chmod a+rx /etc/cdi")] == faults
        else:
            lines = said.stdout.splitlines()
            assert {
                "no CDI device in /var/run/cdi",
                "CDI specs cannot be looked for in /etc/cdi: openshell gpu lint",
            } <= set(lines)


def test_a_spec_that_a_user_cannot_read(host):
    """That is one fault as well, and not its mode beside it."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs: setpriv")
    user = f"exec {setpriv} --reuid=1234 --regid=1234 --clear-groups {sys.executable} -m pyopenshell gpu"
    said = host(GOOD, nodes=(), instead=["sh", "-c", f"chmod 600 /run/cdi/*; cd /; {user} lint -o json"])
    assert (1, "") == (said.returncode, said.stderr)
    faults = [(fault["code"], fault["mend"]) for fault in json.loads(said.stdout)["faults"]]
    path = "/var/run/cdi/nvidia.yaml"
    assert [("cdi.unreadable", f"chmod a+r {path}")] == faults
