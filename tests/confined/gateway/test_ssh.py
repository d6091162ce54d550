"""SSH into real sandboxes, through a real gateway: OpenSSH's programs, another SSH client, and clients that lie."""

import asyncio
import hashlib
import json
import os
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import asyncssh
import grpc
import pexpect
import pytest
from openshell._proto import openshell_pb2 as messages
from openshell._proto import openshell_pb2_grpc

from pyopenshell.gateway import channel, configuration
from pyopenshell.testing import require

SECONDS = 60
SERVE = "from pyopenshell.gateway import main; main.run(main.Options(tls='127.0.0.1:0'), lambda _: print(flush=True))"
READABLE = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", "/dev/urandom")
LISTENER = "import socket; s = socket.create_server(('127.0.0.1', 7777)); print('listening', flush=True)\n"
ECHO = LISTENER + (
    "while True:\n c = s.accept()[0]\n for data in iter(lambda: c.recv(65536), b''): c.sendall(data)\n c.close()"
)


@pytest.fixture(scope="module", autouse=True)
def place():
    """A folder that sandboxes can enter, in which everything of this module's gateway lies."""
    folder = Path(tempfile.mkdtemp(prefix="openshell-test."))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        # What OpenSSH's configuration and a shell would take for something else, in the paths they get.
        for name, part in (("STATE", "state"), ("CONFIG", "con fig'%h"), ("DATA", "data")):
            patch.setenv(f"XDG_{name}_HOME", str(folder / part))
            (folder / part).mkdir()
        for name in ("OPENSHELL_GATEWAY", "OPENSHELL_GATEWAY_ENDPOINT", "LC_ALL"):
            patch.delenv(name, raising=False)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def service(place):
    """The methods of a gateway that runs for this module, with a client's certificate."""
    require(namespaces=True)
    if shutil.which("ssh") is None:
        pytest.skip("needs: openssh-client")
    if os.geteuid() not in {entry.pw_uid for entry in pwd.getpwall()}:
        pytest.skip("needs: an account for whoever tests, which OpenSSH asks for")
    with (place / "gateway.log").open("wb") as log:
        gateway = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=log, cwd="/")
    assert gateway.stdout is not None
    assert gateway.stdout.readline() == b"\n", (place / "gateway.log").read_text()
    chosen = configuration.chosen()
    assert chosen is not None
    with channel.connect(chosen) as connection:
        stub = openshell_pb2_grpc.OpenShellStub(connection)
        try:
            yield stub
        finally:
            for one in stub.ListSandboxes(messages.ListSandboxesRequest()).sandboxes:
                stub.DeleteSandbox(messages.DeleteSandboxRequest(name=one.metadata.name))
            gateway.terminate()
            gateway.wait(SECONDS)
            gateway.stdout.close()
    assert "Traceback" not in (place / "gateway.log").read_text()


def make(service, name):
    """Make a sandbox without a main process."""
    spec = messages.SandboxSpec()
    spec.policy.version = 1
    spec.policy.filesystem.include_workdir = True
    spec.policy.filesystem.read_only.extend(READABLE)
    return service.CreateSandbox(messages.CreateSandboxRequest(name=name, spec=spec)).sandbox


def openshell(*words, code=0):
    """Run the command; return what it prints."""
    command = [sys.executable, "-m", "pyopenshell", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert code == done.returncode, done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def config(service, place):
    """OpenSSH's configuration for the sandbox alpha, as the command prints it."""
    make(service, "alpha")
    path = place / "ssh_config"
    path.write_text(openshell("sandbox", "ssh-config", "alpha"))
    return str(path)


@pytest.fixture(scope="module")
def shared(config, place):
    """Options for one connection that many clients share: each of them is faster then."""
    path = ("-o", f"ControlPath={place}/shared")
    yield (*path, "-o", "ControlMaster=auto", "-o", f"ControlPersist={SECONDS}")
    subprocess.run(["ssh", "-F", config, *path, "-O", "exit", "alpha"], capture_output=True, timeout=SECONDS)


@pytest.fixture
def ssh(config, shared):
    """Run ssh, or another program of OpenSSH's, with that configuration; ``alone``: over a connection of its own."""

    def run(*words, program="ssh", alone=False, **options):
        settings = {"capture_output": True, "timeout": SECONDS, "check": False}
        if "input" not in options:
            settings["stdin"] = subprocess.DEVNULL
        return subprocess.run([program, "-F", config, *(() if alone else shared), *words], **(settings | options))

    return run


@contextmanager
def begun(config, name, command):
    """Run a command that writes a line when it has begun, and whose client is killed at last; give both."""
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(["ssh", "-F", config, name, command], stdin=null, stdout=pipe, stderr=pipe) as client:
        assert client.stdout is not None
        try:
            yield client, client.stdout
        finally:
            client.kill()


def found(pattern, text):
    """Return what the group of a pattern matches."""
    match = re.search(pattern, text, re.MULTILINE)
    assert match, text
    return match[1]


def proxy(config):
    """Return the ProxyCommand of a configuration."""
    return found(r"^ +ProxyCommand (.*)$", Path(config).read_text()).replace("%%", "%")


# --- programs


def test_large_binary_both_ways(ssh):
    """Bytes pass as they are, in both directions at once, with the end of the input, and errors stay apart."""
    data = os.urandom(6 << 20)
    done = ssh("alpha", "cat; echo over >&2; exit 3", input=data)
    assert (3, hashlib.sha256(data).digest()) == (done.returncode, hashlib.sha256(done.stdout).digest())
    assert b"over\n" == done.stderr


def test_terminal(config):
    """A terminal of the sandbox's own: its size, what is typed, and that the size follows."""
    child = pexpect.spawn("ssh", ["-F", config, "alpha"], dimensions=(31, 97), timeout=20, encoding="utf-8")
    child.sendline("tty; stty size")
    child.expect(r"/dev/pts/0\s+31 97\s")
    child.setwinsize(40, 50)
    child.sendline("until stty size | grep -x '40 50'; do :; done; echo done=$((6 * 7)); exit 5")
    child.expect("done=42")
    child.expect(pexpect.EOF)
    child.close()
    assert 5 == child.exitstatus


def test_login_shell(ssh):
    """Without a command there is a login shell, also without a terminal; the language passes, nothing else does."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "FOO": "bar"}
    options = ("-o", "SendEnv=LC_* FOO", "-T")
    script = b'shopt -q login_shell && echo login; echo "$LC_ALL<$FOO>"; pwd; echo $HOME\n'
    first, second, where, home = ssh(*options, "alpha", input=script, env=env, alone=True).stdout.decode().splitlines()
    assert ("login", "C.UTF-8<>", where) == (first, second, home)


def test_signals(config):
    """An exit code and a death by signal are told apart, and a client can send signals."""

    async def work():
        async with asyncssh.connect("alpha", proxy_command=proxy(config), known_hosts=None, config=None) as client:
            coded = await client.run("exit 137")
            killed = await client.run("kill -KILL $$")
            process = await client.create_process("trap 'echo caught; exit 9' USR1; echo ready; while :; do :; done")
            await process.stdout.readline()
            process.send_signal("USR1")
            caught = await process.wait()
            return coded, killed, caught

    coded, killed, caught = asyncio.run(asyncio.wait_for(work(), SECONDS))
    assert (137, None) == (coded.exit_status, coded.exit_signal)
    assert (None, "KILL") == (killed.exit_status if killed.exit_status >= 0 else None, killed.exit_signal[0])
    assert (9, "caught\n") == (caught.exit_status, caught.stdout)


def test_no_such_command(ssh):
    """What the shell says is what is seen."""
    done = ssh("alpha", "no-such-command-here")
    assert 127 == done.returncode
    assert b"not found" in done.stderr


@pytest.mark.parametrize("stubborn", [False, True])
def test_client_that_vanishes(ssh, config, stubborn):
    """Its program gets SIGHUP, and is killed where that does not end it."""
    mark = f"vanished-{stubborn}"
    trap = "trap '' HUP" if stubborn else f"trap 'echo hup > {mark}; exit' HUP"
    command = f"{trap}; echo ready; while :; do sleep 0.1; done # {mark}"
    with begun(config, "alpha", command) as (_, output):
        assert b"ready\n" == output.readline()
    # [v]: the pattern does not match the command line it stands in.
    gone = ssh("alpha", f"while pgrep -f '# [v]anished-{stubborn}' >/dev/null; do sleep 0.1; done; cat {mark}")
    assert (b"" if stubborn else b"hup\n") == gone.stdout


def test_slow_reader(config, place):
    """A program whose client does not read waits; the gateway keeps little of what it writes."""
    before = memory(place)
    with begun(config, "alpha", "head -c 300000000 /dev/zero") as (_, output):
        assert b"\0" == output.read(1)
        assert memory(place) - before < 64 << 20


def memory(place):
    """Return how many bytes of memory the gateway has had at most."""
    pid = json.loads((place / "state/openshell/gateway/gateway.json").read_text())["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    return int(found(r"VmHWM:\s+(\d+)", status)) << 10


# --- files


def test_files_old_and_new(ssh, place):
    """SCP's own protocol and SFTP: a folder with a link in it there and back, and what fails is said."""
    folder = place / "folder"
    folder.mkdir()
    (folder / "data").write_bytes(os.urandom(700_000))
    (folder / "link").symlink_to("data")
    for flags in (["-O"], []):
        back = place / f"back{''.join(flags)}"
        assert 0 == ssh(*flags, "-rp", folder, "alpha:there" + "".join(flags), program="scp").returncode
        assert 0 == ssh(*flags, "-rp", "alpha:there" + "".join(flags), back, program="scp").returncode
        assert {(folder / "data").read_bytes()} == {(back / name).read_bytes() for name in ("data", "link")}
        assert 1 == ssh(*flags, "alpha:nothing", back, program="scp").returncode
        refused = ssh(*flags, folder / "data", "alpha:/usr/x", program="scp")
        words = re.search(rb"Permission denied|Read-only file system", refused.stderr)
        assert (1, True) == (refused.returncode, words is not None), refused.stderr


def test_files_are_those_inside(ssh, place):
    """No path leads SFTP out: neither up, nor through a link, nor to what root could read."""
    (place / "secret").write_text("secret")
    ssh("alpha", f"ln -s {place} out; ln -s / root")
    batch = "\n".join(f"-get {path} {place}/leaked" for path in ("out/secret", f"root{place}/secret", "/etc/shadow"))
    ssh("-q", "alpha", program="sftp", input=batch.encode())
    assert not (place / "leaked").exists()


def test_sftp_commands(ssh, place):
    """What SFTP's own client can do with files."""
    batch = (
        f"mkdir d\nput {__file__} d/a\nrename d/a d/b\nsymlink b d/c\nln d/b d/h\nchmod 600 d/b\nls -l d\n"
        f"get d/c {place}/c\nrm d/b\nrm d/c\nrm d/h\nrmdir d\n-ls d\ndf\n"
    )
    done = ssh("-b", "-", "alpha", program="sftp", input=batch.encode())
    assert 0 == done.returncode, done.stderr
    assert Path(__file__).read_bytes() == (place / "c").read_bytes()
    assert [b"-rw-------", b"lrwxrwxrwx", b"-rw-------"] == re.findall(
        rb"^([l-]\S+) .* (?:d/)?[bch]$", done.stdout, re.M
    )


# --- ports


@pytest.fixture
def echo(config):
    """A server inside that sends back what it gets, on port 7777 of the sandbox's loopback."""
    with begun(config, "alpha", f'exec python3 -c "{ECHO}"') as (_, output):
        assert b"listening\n" == output.readline()
        yield


def test_ports(ssh, echo):
    """A port inside is reached through ssh -W; ports of elsewhere, and where nobody listens, are refused in words."""
    data = os.urandom(2 << 20)
    assert data == ssh("-W", "localhost:7777", "alpha", input=data, alone=True).stdout
    assert b"Connection refused" in ssh("-W", "127.0.0.1:7", "alpha", alone=True).stderr
    assert b"not the sandbox's loopback" in ssh("-W", "example.com:80", "alpha", alone=True).stderr


def test_what_is_not_forwarded(ssh):
    """Ports of the client's host, its agent and its sockets stay out of the sandbox."""
    done = ssh("-R", "0:127.0.0.1:22", "alpha", "exit 4", alone=True)
    assert (4, True) == (done.returncode, b"remote port forwarding failed" in done.stderr)
    assert b"<>\n" == ssh("-A", "alpha", 'echo "<$SSH_AUTH_SOCK>"', alone=True).stdout
    assert (
        b"forwarding failed"
        in ssh("-o", "ExitOnForwardFailure=yes", "-R", "/tmp/x:/tmp/y", "alpha", "true", alone=True).stderr
    )


def send(connection, data):
    """Send data, and that there is no more."""
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def test_forward(echo):
    """``openshell forward``: a port of this host leads inside, in the background, until it is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    openshell("forward", "start", f"{port}:7777", "alpha", "--background")
    try:
        assert f"alpha    127.0.0.1  {port}" in openshell("forward", "list")
        data = os.urandom(1 << 20)
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            sender = threading.Thread(target=send, args=(connection, data))
            sender.start()
            assert data == b"".join(iter(lambda: connection.recv(65536), b""))
            sender.join()
        assert "in use" in openshell("forward", "start", str(port), "alpha", code=4)
    finally:
        openshell("forward", "stop", str(port), "alpha")
    assert "no port is forwarded\n" == openshell("forward", "list")
    assert "does not lead" in openshell("forward", "stop", str(port), code=3)
    assert "no sandbox" in openshell("forward", "start", str(port), "nobody", "-d", code=3)


# --- tokens


def session(service, name="alpha"):
    """Return a token for a sandbox."""
    return service.CreateSshSession(messages.CreateSshSessionRequest(sandbox=name)).token


def init(token, name="alpha", **more):
    """Return the first frame of a stream to a sandbox's SSH server."""
    target = more.pop("target", {"ssh": messages.SshRelayTarget()})
    return frame(init=messages.TcpForwardInit(sandbox=name, authorization_token=token, **target, **more))


def frame(**fields):
    """Return a frame."""
    return messages.TcpForwardFrame(**fields)


def answered(service, *frames):
    """Send frames and then nothing more; return what is answered, and the status."""
    received = b""
    try:
        for answer in service.ForwardTcp(iter(frames), timeout=SECONDS):
            received += answer.data
    except grpc.RpcError as error:
        return received, error.code(), error.details()
    return received, grpc.StatusCode.OK, ""


PORT = {"target": {"tcp": messages.TcpRelayTarget(host="127.0.0.1", port=7777)}}
DENIED, INVALID = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("target", [{}, PORT])
def test_tokens_open_one_sandbox(service, config, target):
    """Without the right token not a byte is answered: none, a wrong one, another sandbox's, a revoked one."""
    make(service, "beta")
    try:
        good, other = session(service), session(service, "beta")
        service.RevokeSshSession(messages.RevokeSshSessionRequest(token=good))
        for text, name, code in (
            ("", "alpha", grpc.StatusCode.UNAUTHENTICATED),
            ("wrong", "alpha", DENIED),
            ("x" * 5000, "alpha", DENIED),
            (other, "alpha", DENIED),
            (good, "alpha", DENIED),
            (good, "beta", DENIED),
        ):
            received, status, _ = answered(service, init(text, name, **target), frame(data=b"SSH-2.0-x\r\n"))
            assert (b"", code) == (received, status)
        missing = grpc.StatusCode.NOT_FOUND
        assert missing == answered(service, init(other, "beta", workspace="elsewhere", **target))[1]
        assert missing == answered(service, init(other, "nobody", **target))[1]
    finally:
        service.DeleteSandbox(messages.DeleteSandboxRequest(name="beta"))
    assert grpc.StatusCode.NOT_FOUND == answered(service, init(other, "beta", **target))[1]
    make(service, "beta")  # another one of that name
    try:
        assert (b"", DENIED) == answered(service, init(other, "beta", **target))[:2]
    finally:
        service.DeleteSandbox(messages.DeleteSandboxRequest(name="beta"))


def test_streams_that_lie(service, config):
    """What is no proper beginning, and what comes where it may not, ends the stream with words."""
    token = session(service)
    greeting = frame(data=b"SSH-2.0-x\r\n")
    nothing = messages.TcpForwardInit(sandbox="alpha", authorization_token=token)
    for frames, words in (
        ((), "ended before"),
        ((greeting,), "must be init"),
        ((frame(),), "must be init"),
        ((frame(init=nothing),), "must be init"),
        ((init(token), init(token)), "one init"),
        ((init(token), frame(data=b"x" * (1 << 20) + b"x")), "at most"),
    ):
        _, code, details = answered(service, *frames)
        assert (True, True) == (code in (INVALID, grpc.StatusCode.RESOURCE_EXHAUSTED), words in details), details
    received, code, _ = answered(service, init(token), frame(data=b"GET / HTTP/1.1\r\n\r\n" * 1000))
    assert (b"SSH-2.0-openshell\r\n", grpc.StatusCode.OK) == (received[:19], code)


def test_revoking(service, config):
    """Revoking a token ends what it opened, at once; who revokes again is told that it was gone."""
    token = session(service)
    sent = threading.Event()

    def frames():
        yield init(token)
        yield frame(data=b"SSH-2.0-x\r\n")
        sent.wait(SECONDS)

    stream = service.ForwardTcp(frames(), timeout=SECONDS)
    assert next(stream).data.startswith(b"SSH-2.0")
    revoke = messages.RevokeSshSessionRequest(token=token)
    assert messages.DELETION_OUTCOME_COMPLETED == service.RevokeSshSession(revoke).outcome
    list(stream)  # ends
    sent.set()
    with pytest.raises(grpc.RpcError, match="no such SSH session"):
        service.RevokeSshSession(revoke)
    revoke.allow_missing = True
    assert messages.DELETION_OUTCOME_ALREADY_ABSENT == service.RevokeSshSession(revoke).outcome


# --- the sandbox's life


def test_stopped_deleted_made_anew(service, config, place):
    """A sandbox that ends takes its connections along; a new one of its name has another key, which ssh learns."""
    first = make(service, "gamma")
    path = place / "gamma"
    path.write_text(openshell("sandbox", "ssh-config", "gamma"))
    with begun(path, "gamma", "echo ready; exec sleep 1000") as (client, output):
        assert b"ready\n" == output.readline()
        service.StopSandbox(messages.StopSandboxRequest(name="gamma"))
        _, errors = client.communicate(timeout=SECONDS)
    assert 255 == client.returncode
    assert re.search(rb"sandbox (gamma was stopped|has ended)", errors), errors
    refused = subprocess.run(["ssh", "-F", path, "gamma", "true"], capture_output=True, timeout=SECONDS)
    assert (255, True) == (refused.returncode, b"does not run" in refused.stderr), refused.stderr
    service.DeleteSandbox(messages.DeleteSandboxRequest(name="gamma"))
    second = make(service, "gamma")
    assert first.host_key_fingerprint != second.host_key_fingerprint
    again = subprocess.run(["ssh", "-F", path, "gamma", "echo again"], capture_output=True, timeout=SECONDS)
    assert (0, b"again\n") == (again.returncode, again.stdout), again.stderr
    service.DeleteSandbox(messages.DeleteSandboxRequest(name="gamma"))


def test_key_is_checked(ssh, config, place):
    """Nobody is spoken to who has not the key that the gateway told."""
    line = found(r'UserKnownHostsFile "(.*)"', Path(config).read_text())
    known = Path(line.replace("%%", "%")).read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    wrong = place / "wrong"
    wrong.write_text(f"{known.split()[0]} {other}")
    done = ssh("-o", f"UserKnownHostsFile={wrong}", "alpha", "true", alone=True)
    assert (255, True) == (done.returncode, b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr)


def test_proxy_leaves_no_token(service, config, ssh):
    """What ssh-proxy asked for, it gives back when ssh ends."""
    before = tokens()
    assert 0 == ssh("alpha", "true", alone=True).returncode
    end = time.monotonic() + SECONDS
    while tokens() != before:  # ssh does not wait for it
        assert time.monotonic() < end


def tokens():
    """Return how many tokens are good."""
    with closing(sqlite3.connect(f"{os.environ['XDG_STATE_HOME']}/openshell/gateway/store.sqlite")) as store:
        return store.execute("SELECT count(*) FROM tokens WHERE revoked IS NULL").fetchone()[0]
