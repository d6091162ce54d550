"""Which gateway a command speaks to, and what it makes of the answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from openshell._proto import openshell_pb2
from tests.unit.cli import cases, fake_gateway
from tests.unit.cli.cases import make_state

from pyopenshell.__main__ import main
from pyopenshell.cli import gateway_process, remote, sandbox_request
from pyopenshell.errors import PolicyRefused, StateError
from pyopenshell.gateway import configuration
from pyopenshell.gateway.configuration import Gateway
from pyopenshell.gateway.endpoint import Endpoint
from pyopenshell.gateway.proto import inspection_pb2

PROGRAM = str(Path(gateway_process.__file__).parents[1] / "__main__.py")


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Have the configuration and the state to oneself."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("OPENSHELL_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def far():
    """Serve as another machine's gateway."""
    with fake_gateway.serving() as served:
        yield served


@pytest.fixture
def own():
    """Serve as this machine's gateway."""
    with fake_gateway.serving(configuration.LOCAL) as served:
        yield served


def unused():
    """Return an address where nobody listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{trial.getsockname()[1]}"


def run(capfd, *argv):
    """Return exit code, standard output and standard error of a command line."""
    code = main(list(argv))
    shown = capfd.readouterr()
    return code, shown.out, shown.err


def test_sandboxes_are_listed_page_by_page(far, capfd):
    """All pages are read; columns and words are those that clients look for."""
    service, _ = far
    service.sandboxes = {name: fake_gateway.sandbox(name) for name in ("a", "b", "c", "d", "e")}
    code, out, err = run(capfd, "sandbox", "list")
    assert (0, "") == (code, err)
    head, *rows = out.splitlines()
    assert head.startswith("NAME")
    assert {("2023-11-14", "22:13:20", "Ready")} == {tuple(row.split()[1:4]) for row in rows}
    assert ["d", "c"] == run(capfd, "sandbox", "list", "--names", "--offset", "1", "--limit", "2")[1].split()


def test_a_sandbox_as_json_has_what_clients_read(far, capfd):
    """Name and labels stand at the top, as do the keys that a record has."""
    far[0].sandboxes["demo"] = fake_gateway.sandbox(metadata={"labels": {"run": "7"}}, spec={"command": ["sleep", "9"]})
    shape = json.loads(run(capfd, "sandbox", "get", "demo", "--output", "json", "--workspace", "default")[1])
    assert ("demo", {"run": "7"}, "ready", ["sleep", "9"]) == tuple(
        shape[key] for key in ("name", "labels", "state", "command")
    )


def test_a_sandbox_in_short(far, capfd):
    """What is nothing is left out, but an exit code of 0 is something; all GPUs are said in a word."""
    spec = openshell_pb2.SandboxSpec(tty=True)
    spec.resource_requirements.gpu.SetInParent()
    far[0].sandboxes["demo"].spec.CopyFrom(spec)
    far[0].sandboxes["demo"].status.exit_code = 0
    rows = dict(line.split(maxsplit=1) for line in run(capfd, "sandbox", "get", "demo")[1].splitlines())
    assert ("0", "all", "True") == (rows["exit_code"], rows["gpu"], rows["tty"])
    assert {"labels", "message", "command"}.isdisjoint(rows)


def test_errors_of_the_gateway_are_ours(far, capfd):
    """An unknown sandbox is exit code 3 with the gateway's hint, also as JSON."""
    assert (3, "", "openshell: there is no sandbox 'nobody'\nhint: look again\n") == run(
        capfd, "sandbox", "get", "nobody"
    )
    _, _, err = run(capfd, "sandbox", "get", "nobody", "-o", "json")
    assert "sandbox.unknown" == json.loads(err)["error"]["code"]


def test_what_the_own_gateway_does_not_know_is_in_the_records(own, folders, capfd):
    """A run's id, and a name that only a record has, are found; ``-g`` of another gateway looks nowhere else."""
    make_state(folders)
    for name in (cases.DEMO, "failed"):
        assert 0 == run(capfd, "sandbox", "get", name)[0]
    assert 3 == run(capfd, "sandbox", "get", "nobody")[0]
    endpoint = configuration.load(configuration.LOCAL).endpoint
    configuration.add("far", str(endpoint))
    assert 3 == run(capfd, "-g", "far", "sandbox", "get", "failed")[0]


def test_reading_goes_on_without_the_own_gateway(folders, capfd):
    """Where it is the active one and silent, a line on stderr says so; where it was named, it is an error."""
    make_state(folders)
    configuration.add(configuration.LOCAL, unused())
    configuration.select(configuration.LOCAL)
    code, out, err = run(capfd, "sandbox", "list", "--names")
    assert (0, ["early", "failed", "demo"]) == (code, out.split())
    assert 1 == len(err.splitlines())
    assert "cannot be reached: Connection refused; showing this machine's records" in err
    code, out, err = run(capfd, "sandbox", "list", "-g", "local")
    assert (4, "") == (code, out)
    assert 4 == run(capfd, "sandbox", "delete", "failed")[0]
    assert 0 == run(capfd, "policy", "get", "failed")[0]


def test_another_machines_gateway_must_answer(folders, capfd):
    """Records of this machine are no answer about another."""
    make_state(folders)
    configuration.add("far", unused())
    configuration.select("far")
    assert (4, "") == run(capfd, "sandbox", "list")[:2]


def test_inspection_is_shown_as_the_record_is(own, folders, capfd):
    """What the gateway tells and what the record holds come out the same, in every form."""
    make_state(folders)
    parts = ("sandbox", "inspect", cases.DEMO)
    local = {form: run(capfd, *parts, "-o", form)[1] for form in ("table", "json")}
    own[1].inspection = json.loads(local["json"])
    assert local == {form: run(capfd, "sandbox", "inspect", "demo", "-o", form)[1] for form in ("table", "json")}
    shown = run(capfd, "policy", "get", "demo", "--full")[1]
    here = run(capfd, "policy", "get", cases.DEMO, "--full")[1]
    assert here.split("What you declared")[1:] == shown.split("What you declared")[1:]


def test_a_policy_as_clients_read_it(far, capfd):
    """``--base -o json`` has the policy under ``policy``, with its revision."""
    shape = json.loads(run(capfd, "policy", "get", "demo", "--base", "--output", "json")[1])
    assert ({"version": 1}, "pending", 1) == (shape["policy"], shape["status"], shape["revision"])


def test_a_policy_is_checked_before_it_is_sent(far, folders, capfd):
    """Mistakes are named with their lines, and nothing is sent; a good one is sent with its runtime section."""
    file = folders / "p.yaml"
    file.write_text("version: 1\nnetwrk: {}\n")
    code, _, err = run(capfd, "policy", "set", "demo", "--policy", str(file))
    assert (1, []) == (code, far[0].seen)
    assert f"{file}:2:1" in err
    file.write_text("version: 1\nruntime: {cuda_thread_names: off}\n")
    assert (0, "revision 2\n") == run(capfd, "policy", "set", "demo", "--policy", str(file))[:2]
    assert "off" in far[0].seen[-1].annotations["pyopenshell/runtime"]
    late = ("policy", "set", "demo", "--policy", str(file), "--wait", "--timeout", "1")
    assert (124, "revision 2: pending\n") == run(capfd, *late)[:2]


@pytest.mark.parametrize(("sent", "expected"), [({"pyopenshell/policy": ""}, "p.yaml:3: no"), ({}, "no")])
def test_lines_are_of_the_file_that_was_sent(sent, expected):
    """The gateway tells lines, and the command of which file; of none where it judged a text of its own making."""
    with pytest.raises(PolicyRefused) as caught, sandbox_request.lines_of("p.yaml", sent):
        raise PolicyRefused("no", line=3)
    assert [expected] == caught.value.lines()


@pytest.mark.parametrize(("names", "expected"), [(("demo",), 0), (("demo", "nobody"), 3)])
def test_deleting(far, capfd, names, expected):
    """Each is deleted and said so; one that is not there gives the exit code."""
    configuration.remember_sandbox("demo")
    assert (expected, "deleted demo\n") == run(capfd, "sandbox", "delete", *names)[:2]
    assert configuration.last_sandbox() is None


def executing(*answers, trailing=()):
    """Return a program that reads its input to the end, and then answers."""

    def answer(requests, context):
        start = next(requests).start
        data = b"".join(request.stdin for request in requests)
        yield openshell_pb2.ExecSandboxEvent(stdout={"data": json.dumps([*start.command]).encode() + b"|" + data})
        context.set_trailing_metadata(trailing)
        for event in answers:
            yield openshell_pb2.ExecSandboxEvent(**event)

    return answer


@pytest.mark.parametrize(
    ("code", "trailing", "expected", "said"),
    [
        (0, (), 0, ""),
        (7, (), 7, ""),
        (137, (("pyopenshell-signal", "9"),), 137, "openshell: cat was ended by SIGKILL\n"),
        (124, (("pyopenshell-timed-out", "1"),), 124, "openshell: cat took longer than it was given, and was ended\n"),
    ],
)
def test_exec_ends_as_the_command(far, code, trailing, expected, said):
    """Input, both outputs and the exit code pass; a signal and a timeout are said in words."""
    far[0].interactive = executing({"stderr": {"data": b"err"}}, {"exit": {"exit_code": code}}, trailing=trailing)
    done = openshell("sandbox", "exec", "-n", "demo", "--", "cat", "-o", "json", "--", input=b"in\0put")
    assert (expected, b'["cat", "-o", "json", "--"]|in\0put', f"err{said}".encode()) == (
        done.returncode,
        done.stdout,
        done.stderr,
    )


def openshell(*argv, **options):
    """Run the command as a process of its own, with its own streams."""
    return subprocess.run(
        [sys.executable, "-P", PROGRAM, *argv], capture_output=True, check=False, timeout=60, **options
    )


@pytest.mark.parametrize(("closed", "expected"), [("<&-", b'["cat"]|'), (">&-", b"")])
def test_closed_streams_are_empty(far, closed, expected):
    """A stream that the caller closed is nobody's connection: input ends at once, output is nowhere."""
    far[0].interactive = executing({"exit": {"exit_code": 7}})
    words = [sys.executable, "-P", PROGRAM, "sandbox", "exec", "-n", "demo", "--", "cat"]
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {closed}', "sh", *words], capture_output=True, check=False, timeout=60
    )
    assert (7, b"") == (done.returncode, done.stderr)
    assert expected in done.stdout


def test_exec_that_cannot_be_is_125(far, capfd):
    """Whatever is ours is 125, also a wrong option; the command's own codes are told apart from it."""
    far[0].interactive = lambda _requests, context: fake_gateway.refuse(context, PolicyRefused("no"))
    assert 125 == run(capfd, "sandbox", "exec", "-n", "demo", "--", "true")[0]
    assert 125 == run(capfd, "sandbox", "exec", "-n", "demo", "true", "--frce")[0]
    assert 125 == run(capfd, "sandbox", "exec", "--", "true")[0]  # no sandbox was used before


def attaching(*answers):
    """Return a main process that runs and answers with these."""

    def attached(_requests, _context):
        for answer in answers:
            yield inspection_pb2.AttachOutput(**answer)

    return attached


@pytest.mark.parametrize(("code", "running"), [(3, True), (0, False)])
def test_connect_without_a_terminal(far, code, running):
    """What is kept of the output is printed, also of a process that has ended; what is left out is said."""
    far[1].sessions = [inspection_pb2.Session(number=0, running=running, exit_code=code)]
    far[1].attached = attaching({"skipped": 5}, {"stdout": b"tail"}, {"ended": {"exit_code": code}})
    done = openshell("sandbox", "connect", "demo", stdin=subprocess.DEVNULL)
    assert (code, b"tail", b"openshell: 5 bytes that demo wrote are left out here\n") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )
    assert "demo" == configuration.last_sandbox()


def test_connect_leaves_on_a_signal(far):
    """SIGINT leaves a program without a terminal running, and the exit code is 0."""
    kinds: list[str] = []

    def attached(requests, _context):
        yield inspection_pb2.AttachOutput(stdout=b"up\n")
        kinds.extend(request.WhichOneof("payload") for request in requests)

    far[1].sessions = [inspection_pb2.Session(number=0, running=True)]
    far[1].attached = attached
    child = subprocess.Popen(
        [sys.executable, "-P", PROGRAM, "sandbox", "connect", "demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert b"up\n" == child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert 0 == child.wait(30)
    out, err = child.communicate()
    assert (b"", b"openshell: detached; openshell sandbox connect demo attaches again\n") == (out, err)
    assert ["start", "detach"] == kinds


def test_a_gateway_that_ends_in_between(far):
    """The streams end without a word how the program ended: that is no success."""
    far[1].sessions = [inspection_pb2.Session(number=0, running=True)]
    far[1].attached = attaching({"stdout": b"half"})
    done = openshell("sandbox", "connect", "demo", stdin=subprocess.DEVNULL)
    assert (125, b"half") == (done.returncode, done.stdout)
    far[0].interactive = lambda _requests, _context: iter([openshell_pb2.ExecSandboxEvent(stdout={"data": b"half"})])
    done = openshell("sandbox", "exec", "-n", "demo", "--", "true", stdin=subprocess.DEVNULL)
    assert (125, b"half") == (done.returncode, done.stdout)


def test_create_attaches_and_deletes(far, folders):
    """A command's output, input and exit code are this process's; ``--no-keep`` leaves nothing."""

    def attached(requests, _context):
        start = next(requests).start
        yield inspection_pb2.AttachOutput(attached={"pid": 7, "argv": ["cat"]})
        yield inspection_pb2.AttachOutput(stdout=f"{start.sandbox} {start.replay} ".encode())
        for request in requests:
            if request.eof:
                break
            yield inspection_pb2.AttachOutput(stdout=request.stdin)
        yield inspection_pb2.AttachOutput(ended={"exit_code": 143, "signal": 15})

    far[1].attached = attached
    done = openshell("sandbox", "create", "--name", "new", "--no-keep", "--", "cat", input=b"typed")
    assert (143, b"new True typed") == (done.returncode, done.stdout)
    assert [b"openshell: sandbox new", b"openshell: cat was ended by SIGTERM"] == done.stderr.splitlines()
    assert ["demo"] == list(far[0].sandboxes)
    made = next(request for request in far[0].seen if isinstance(request, openshell_pb2.CreateSandboxRequest))
    assert made.await_main_process_attachment
    assert {} == dict(made.annotations)  # a folder of this machine is nothing to another


def test_create_says_what_it_made(own, folders, capfd, monkeypatch):
    """Without a command the name is printed; the current folder, labels, limits and GPUs are sent."""
    monkeypatch.chdir(folders)
    line = ("--label", "a=b", "--env", "K=v=w", "--cpu", "500m", "--memory", "1Gi", "--gpu", "--provider", "p")
    assert (0, "made\n", "") == run(capfd, "sandbox", "create", "--no-tty", *line)
    request = own[0].seen[0]
    spec = request.spec
    assert ({"a": "b"}, {"K": "v=w"}, ["p"], 1) == (
        dict(request.labels),
        dict(spec.environment),
        list(spec.providers),
        spec.resource_requirements.gpu.count,
    )
    assert {"limits": {"cpu": "500m", "memory": "1Gi"}} == {
        key: dict(value) for key, value in spec.template.resources.items()
    }
    assert {"pyopenshell/workdir": str(folders)} == dict(request.annotations)
    assert not request.await_main_process_attachment
    assert "made" == configuration.last_sandbox()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--cpu", "many"], 2, "many"),
        (["--no-keep"], 2, "nothing waits for one"),
        (["--env", "K"], 2, "not KEY=VALUE: 'K'"),
        (["-o", "json", "--", "true"], 125, "--detach"),
        (["--editor", "ed"], 2, "vscode, cursor"),
        (["--workdir", "/nowhere/at/all"], 2, "no such folder"),
        (["--driver-config-json", "[]"], 2, "not an object"),
        (["--policy", "/nowhere.yaml"], 4, "/nowhere.yaml"),
        (["--upload", "/nowhere/at/all"], 2, "no such file or folder"),
        (["--forward", "x"], 2, "names no port"),
    ],
)
def test_create_refuses_before_it_sends(own, capfd, argv, code, message):
    """What cannot be is said in one line, and no sandbox is made."""
    found, _, err = run(capfd, "sandbox", "create", *argv)
    assert code == found
    assert message in err
    assert [] == own[0].seen


@pytest.mark.parametrize(
    ("argv", "image", "said"),
    [(["--from", "base"], "", False), (["--from", "python:3.12"], "python:3.12", True), (["--upload", "/"], "", False)],
)
def test_an_image_is_not_used_and_that_is_said(own, capfd, monkeypatch, argv, image, said):
    """Clients always name one: it is sent along, a line says what it comes to; the caller's folder is left alone."""
    monkeypatch.setattr("pyopenshell.cli.sandbox_files.send", lambda *_, **__: 0)
    code, _, err = run(capfd, "sandbox", "create", *argv)
    assert (0, said) == (code, "the image is not used" in err)
    assert (image, {}) == (own[0].seen[0].spec.template.image, dict(own[0].seen[0].annotations))


@pytest.mark.parametrize("missing", [0, 1])
def test_what_was_not_uploaded_is_told(own, capfd, monkeypatch, missing):
    """The sandbox is there all the same, and the exit code says that files lack."""
    monkeypatch.setattr("pyopenshell.cli.sandbox_files.send", lambda *_, **__: missing)
    assert (missing, "made\n") == run(capfd, "sandbox", "create", "--no-tty", "--upload", "/", "--upload", "/")[:2]


def test_a_sandbox_that_cannot_be_remembered(own, folders, capfd, monkeypatch):
    """A configuration that is read-only keeps nobody from a sandbox; that nothing is remembered is said."""

    def refuse(_name):
        raise StateError("read-only")

    monkeypatch.setattr(configuration, "remember_sandbox", refuse)
    code, out, err = run(capfd, "sandbox", "create", "--no-tty")
    assert (0, "made\n", True) == (code, out, "read-only; verbs without a name" in err)


def test_no_image_is_built(far, capfd):
    """A folder to build one from is refused, where a gateway could use images."""
    assert 2 == run(capfd, "sandbox", "create", "--from", "/")[0]
    assert [] == far[0].seen


def test_status_says_what_clients_look_for(far, capfd):
    """Four lines, exit code 0, nothing on stderr; 1 where nobody answers or nobody is known."""
    code, out, err = run(capfd, "status")
    assert (0, "") == (code, err)
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert {"Gateway": "far", "Status": "Connected", "Version": "0.1.5"} == {
        key: lines[key] for key in ("Gateway", "Status", "Version")
    }
    configuration.add("far", unused())
    assert (1, "Disconnected") == (
        (shown := run(capfd, "status", "-o", "json"))[0],
        json.loads(shown[1])["status"],
    )
    configuration.remove("far")
    assert 1 == run(capfd, "status")[0]


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:5: connect: Connection refused (111)",
         "Connection refused (111)"),
        ("x; last error: UNKNOWN: ipv4:1.2.3.4:5: Tls handshake failed (TSI): SSL_ERROR_SSL: error:1:SSL routines:"
         "OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate verification context: OK",
         "TLS failed: wrong version number"),
        ("Socket closed", "Socket closed"),
        ("", "no answer"),
    ],
)  # fmt: skip
def test_why_nobody_answers(details, said):
    """Of all that gRPC tells, the part that helps."""
    assert said == remote._short(details)


def test_gateways_are_added_selected_and_removed(capfd, folders):
    """Keys are copied, the last one added is the active one, names come from the address, unknown ones are 3."""
    for name, kind in (("ca", "CERTIFICATE"), ("cert", "CERTIFICATE"), ("key", "PRIVATE KEY")):
        (folders / name).write_text(f"-----BEGIN {kind}-----")
    keys = [f"--{name}={folders / name}" for name in ("ca", "cert", "key")]
    assert 0 == run(capfd, "gateway", "add", "https://build1.example:17670", *keys)[0]
    for name, code, said in (("key", 2, "holds no certificate"), ("none", 4, "No such file")):
        found, _, err = run(capfd, "gateway", "add", "https://build2.example", "--ca", str(folders / name))
        assert (code, True) == (found, said in err)
    assert 0 == run(capfd, "gateway", "add", "http://127.0.0.1:5", "--name", "plain")[0]
    rows = json.loads(run(capfd, "gateway", "list", "-o", "json")[1])
    assert [("build1.example", False, "mtls"), ("plain", True, "plaintext")] == [
        (row["name"], row["active"], row["auth_mode"]) for row in rows
    ]
    assert 0 == run(capfd, "gateway", "select", "build1.example")[0]
    assert "build1.example\n" == run(capfd, "gateway", "select")[1]
    assert 3 == run(capfd, "gateway", "select", "nobody")[0]
    assert 0 == run(capfd, "gateway", "remove", "build1.example")[0]
    assert (1, "") == run(capfd, "gateway", "select")[:2]


def test_stopping_what_does_not_run(capfd):
    """It is said where nothing runs, and nothing is made there."""
    code, _, err = run(capfd, "gateway", "stop")
    assert 4 == code
    assert "no gateway runs on" in err


def test_a_gateway_that_ends_at_once_says_why(folders):
    """What it said is in the error, not only in a log."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = openshell("gateway", "start", "--detach", "--port", str(taken.getsockname()[1]))
    assert 4 == done.returncode
    assert b"cannot listen on 127.0.0.1" in done.stderr
    assert 1 == len([line for line in done.stderr.splitlines() if line.startswith(b"openshell:")])


def test_a_taken_port_is_passed_over(monkeypatch):
    """The port of the last time, else the usual one, else any."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(gateway_process, "PORT", taken.getsockname()[1])
        assert 0 == gateway_process.port("127.0.0.1")
        free = unused()
        configuration.add(configuration.LOCAL, free)
        assert Endpoint.parse(free).port == gateway_process.port("127.0.0.1")


def test_grpc_is_imported_for_nothing_else():
    """Records, policies, help and ``run`` do without it, and so without what it costs."""
    code = (
        "import sys, contextlib, io\nfrom pyopenshell.__main__ import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    for line in ('sandbox list', '--help', 'gateway list', 'policy default', '-V'): main(line.split())\n"
        "print(sorted({'grpc', 'sqlalchemy', 'openshell', 'asyncssh', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ("[]\n", "") == (done.stdout, done.stderr)


def test_a_missing_package_is_named(monkeypatch, capfd):
    """Without the extra, one line says what to install."""
    configuration.add("far", "http://127.0.0.1:1")
    configuration.select("far")
    monkeypatch.setitem(sys.modules, "grpc", None)
    code, _, err = run(capfd, "sandbox", "list")
    assert 4 == code
    assert "pyopenshell[gateway]" in err
    assert isinstance(Gateway("far", Endpoint.parse("http://127.0.0.1:1")), Gateway)
