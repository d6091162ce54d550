"""The SDK's own public interface, all of it that concerns sandboxes: ``openshell.SandboxClient`` and ``Sandbox``."""

import hashlib
import sys
import time

from openshell import ExecChunk, ExecResult, Sandbox, SandboxClient, WorkspaceClient
from openshell._proto import openshell_pb2 as pb
from openshell._proto import sandbox_pb2
from telling import GIVEN, check, raised, tell

WORKSPACE = {"workspace": "default"}
LABELS = {"suite": "conformance", "client": "openshell-sdk"}
LARGE = b"0123456789abcdef" * (1 << 16)
NAMED = dict(LABELS, role="kept")


def policy(*read_only, network=()):
    """Return a policy in which these folders can be read, and these hosts are named in its network section."""
    wanted = sandbox_pb2.SandboxPolicy(version=1)
    wanted.filesystem.include_workdir = True
    wanted.filesystem.read_only.extend(["/usr", "/lib", "/etc", "/proc", *read_only])
    wanted.filesystem.read_write.append("/tmp")
    for host in network:
        rule = wanted.network_policies[host]
        rule.name = host
        rule.endpoints.add(host=host, port=443)
        rule.binaries.add(path="/usr/bin/curl")
    return wanted


def run(client, *command, **options):
    """Run a command in the sandbox that all checks share; return its exit code and its outputs."""
    result = client.exec("kept", list(command), workspace="default", **options)
    return [result.exit_code, result.stdout, result.stderr]


@check
def health(client):
    answer = client.health()
    return [answer.status == pb.SERVICE_STATUS_HEALTHY, answer.version.split(".")[:2]]


@check
def created(client):
    spec = pb.SandboxSpec(policy=policy(GIVEN["folder"]))
    spec.environment["GREETING"] = "hello"
    sandbox = client.create(**WORKSPACE, name="kept", labels=NAMED, spec=spec)
    ready = client.wait_ready("kept", **WORKSPACE, timeout_seconds=30)
    assert sandbox.id == ready.id == client.get("kept", **WORKSPACE).id
    return [ready.name, ready.workspace, dict(ready.labels), pb.SandboxPhase.Name(ready.phase), bool(ready.id)]


@check
def name_taken(client):
    error = raised(client.create, **WORKSPACE, name="kept")
    return [error.code().name, bool(error.error_info and error.error_info.reason)]


@check
def name_not_valid(client):
    error = raised(client.create, **WORKSPACE, name="../etc")
    return [error.code().name, [one.field for one in error.field_violations]]


@check
def name_unknown(client):
    error = raised(client.get, "nobody", **WORKSPACE)
    return [error.code().name, error.error_info.domain]


@check
def policy_not_valid(client):
    error = raised(client.create, **WORKSPACE, spec=pb.SandboxSpec(policy=policy("relative/path")))
    return [error.code().name, "relative/path" in error.details()]


@check
def streams(client):
    return run(client, "sh", "-c", "echo out; echo err >&2; exit 7")


@check
def streams_in_time(client):
    begin, arrived, last = time.monotonic(), {}, None
    command = ["sh", "-c", "echo first; sleep 2; echo second"]
    for item in client.exec_stream("kept", command, **WORKSPACE):
        if isinstance(item, ExecChunk):
            arrived[item.data.decode()] = time.monotonic() - begin
        else:
            last = item
    assert isinstance(last, ExecResult)
    return [list(arrived), arrived["second\n"] - arrived["first\n"] > 1, last.exit_code, last.stdout]


@check
def stdin(client):
    code, out, err = run(client, "sha256sum", stdin=LARGE)
    return [code, out.split()[0] == hashlib.sha256(LARGE).hexdigest(), err]


@check
def no_stdin(client):
    return run(client, "cat", timeout_seconds=10)


@check
def large_output(client):
    """More than gRPC's usual 4 MiB in one answer, in order, and bytes that are no UTF-8."""
    program = "import sys; [sys.stdout.buffer.write(bytes([n % 256]) * 65536) for n in range(128)]"
    pieces, code = [], None
    for item in client.exec_stream("kept", ["python3", "-c", program], **WORKSPACE):
        if isinstance(item, ExecChunk):
            pieces.append(item.data)
        else:
            code = item.exit_code
    return [code, b"".join(pieces) == b"".join(bytes([n % 256]) * 65536 for n in range(128))]


@check
def environment(client):
    return run(client, "sh", "-c", "echo $GREETING $ADDED", env={"ADDED": "world"})


@check
def path_of_the_call(client):
    """``env`` names the PATH by which the command is found, as execvpe(3) does."""
    return run(client, "only-here", env={"PATH": GIVEN["folder"] + ":/usr/bin:/bin"})


@check
def workdir(client):
    return run(client, "pwd", workdir="/tmp")


@check
def arguments(client):
    return run(client, "printf", "<%s>", "two words", "", "line\nbreak", "$HOME", "é", no_login_shell=True)


@check
def signals(client):
    return run(client, "sh", "-c", "kill -9 $$")[0]


@check
def command_unknown(client):
    code, out, err = run(client, "no-such-command")
    return [code, out, "no-such-command" in err]


@check
def timeouts(client):
    begin = time.monotonic()
    code, out, _ = run(client, "sh", "-c", "echo begun; sleep 60 & sleep 60", timeout_seconds=1)
    return [code, out, time.monotonic() - begin < 10]


@check
def long_timeout(client):
    return run(client, "true", timeout_seconds=1800)[0]


@check
def python_function(client):
    environ = {"PATH": GIVEN["folder"] + ":/usr/bin:/bin", "PYTHONPATH": GIVEN["folder"]}

    def product(a, b):
        return a * b

    done = client.exec_python("kept", product, args=(6,), kwargs={"b": 7}, env=environ, **WORKSPACE)
    return [done.exit_code, done.stdout, done.stderr]


@check
def is_confined(client):
    """What the policy does not name cannot be read, and no network is reached."""
    program = (
        "import errno, os, socket, sys\n"
        "for tried in (lambda: open(sys.argv[1]), lambda: socket.create_connection(('192.0.2.1', 80), 5)):\n"
        "    try:\n        print(tried())\n"
        "    except OSError as error:\n        print(errno.errorcode[error.errno])\n"
    )
    code, out, err = run(client, "python3", "-c", program, GIVEN["secret"])
    first, second = out.split()
    return [code, first in ("EACCES", "ENOENT"), second in ("ENETUNREACH", "EACCES", "EPERM"), err]


@check
def listed(client):
    client.create(**WORKSPACE, name="second", labels=dict(LABELS, role="second"))
    selector = "suite=conformance,client=openshell-sdk"
    names = {one.name for one in client.list_all(**WORKSPACE, label_selector=selector)}
    paged = [len(page.items) for page in client.list(**WORKSPACE, page_size=1, label_selector=selector)]
    one = [one.name for one in client.list_all(**WORKSPACE, label_selector="role=second")]
    everywhere = {one.name for one in client.list_all_for_all_workspaces(label_selector=selector)}
    ids = client.list_ids(**WORKSPACE, label_selector="role=second")
    same = ids == [client.get("second", **WORKSPACE).id]
    return [sorted(names), paged, one, sorted(everywhere), same, client.list_ids(**WORKSPACE, label_selector="no=one")]


@check
def policy_revised(client):
    """The network section is taken while the sandbox lives, as a new revision; its files cannot be changed."""
    status = pb.GetSandboxPolicyStatusRequest(sandbox="kept", workspace_scope={"workspace": "default"})
    before = client._stub.GetSandboxPolicyStatus(status)
    wanted = policy(GIVEN["folder"], network=["pypi.org"])
    scope = {"workspace": "default"}
    update = client._stub.UpdateConfig(pb.UpdateConfigRequest(sandbox="kept", workspace_scope=scope, policy=wanted))
    after = client._stub.GetSandboxPolicyStatus(status)
    changed = pb.UpdateConfigRequest(sandbox="kept", workspace_scope=scope, policy=policy("/opt"))
    error = raised(client._stub.UpdateConfig, changed)
    config = client._stub.GetSandboxConfig(
        sandbox_pb2.GetSandboxConfigRequest(name="kept", workspace_scope={"workspace": "default"})
    )
    return [
        update.version - before.active_version,
        after.active_version == update.version == config.version,
        list(config.policy.network_policies),
        error.code().name,
        run(client, "echo", "alive")[1],
    ]


@check
def policy_is_as_declared(client):
    """What the runtime added is in no policy that is sent back."""
    config = client._stub.GetSandboxConfig(
        sandbox_pb2.GetSandboxConfigRequest(name="kept", workspace_scope={"workspace": "default"})
    )
    return config.policy.filesystem == policy(GIVEN["folder"]).filesystem


@check
def main_process(client):
    """A sandbox whose main process ended still serves exec, and tells its exit code."""
    spec = pb.SandboxSpec(policy=policy(), command=["sh", "-c", "exit 5"])
    client.create(**WORKSPACE, name="ended", spec=spec)
    ended = client.wait_ready("ended", **WORKSPACE, timeout_seconds=30)
    end = time.monotonic() + 10
    while ended.status.exit_code is None and time.monotonic() < end:
        time.sleep(0.05)
        ended = client.get("ended", **WORKSPACE)
    answer = client.exec("ended", ["echo", "served"], **WORKSPACE)
    return [pb.SandboxPhase.Name(ended.phase), ended.status.exit_code, answer.stdout]


@check
def stopped_and_started(client):
    run(client, "sh", "-c", "echo kept > file")
    client.stop("kept", **WORKSPACE)
    client.wait_stopped("kept", **WORKSPACE, timeout_seconds=30)
    refusal = raised(client.exec, "kept", ["true"], **WORKSPACE).code().name
    client.start("kept", **WORKSPACE)
    client.wait_ready("kept", **WORKSPACE, timeout_seconds=30)
    return [refusal, run(client, "cat", "file")[1]]


@check
def context(client):
    """The managed form: made without name or policy, ready when it is entered, deleted when it is left."""
    with Sandbox(**WORKSPACE, labels={"role": "managed"}) as managed:
        name = managed.sandbox.name
        said = managed.exec(["sh", "-c", "cat; pwd"], stdin=b"in\n")
        where = managed.exec(["sh", "-c", "echo x > here && cat here"])
    gone = raised(client.get, name, **WORKSPACE).code().name
    return [said.exit_code, said.stdout.split()[0], where.stdout, gone]


@check
def workspaces(client):
    return "default" in [one.name for one in WorkspaceClient.from_sandbox_client(client).list_all()]


@check
def not_served(client):
    """What is for container supervisors is refused by its name."""
    error = raised(client._stub.IssueSandboxToken, pb.IssueSandboxTokenRequest())
    return [error.code().name, "IssueSandboxToken" in error.details()]


@check
def deleted(client):
    outcomes = [client.delete(name, **WORKSPACE).outcome.name for name in ("kept", "second", "ended")]
    client.wait_deleted("kept", **WORKSPACE, timeout_seconds=30)
    again = raised(client.delete, "kept", **WORKSPACE).code().name
    missing = client.delete("kept", **WORKSPACE, allow_missing=True).outcome.name
    left = client.list_ids(**WORKSPACE, label_selector="suite=conformance")
    return [sorted(set(outcomes) - {"COMPLETED", "ACCEPTED"}), again, missing, left]


if __name__ == "__main__":
    with SandboxClient.from_active_cluster() as connected:
        tell(connected)
    sys.exit(0)
