"""Policies, logs, reports and streams of sandboxes that really run, as a gateway serves them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from google.protobuf import json_format
from openshell._proto import openshell_pb2, sandbox_pb2

from pyopenshell import runs
from pyopenshell.errors import PolicyError, PolicyRefused, UsageError
from pyopenshell.gateway import policy_wire
from pyopenshell.gateway.engine import Engine
from pyopenshell.gateway.proto import inspection_pb2
from pyopenshell.gateway.service.inspection import InspectionService
from pyopenshell.gateway.service.logs import LogService
from pyopenshell.gateway.service.policies import PolicyService
from pyopenshell.gateway.store import AsyncStore, Conflict, NotKept
from pyopenshell.gateway.wanting import NewSandbox
from pyopenshell.policy.model import Policy
from pyopenshell.supervisor.client import Supervisors

SECONDS = 20
"""A test that waits longer for anything has failed."""
ADD = {"add_rule": {"rule_name": "api", "rule": {"endpoints": [{"host": "api.example.com", "port": 443}]}}}
REMOVE = {"remove_rule": {"rule_name": "api"}}
RUNTIME = "pyopenshell/runtime"


class Gateway:
    """The services in question, called by the name of a method with the fields of its request as JSON has them."""

    def __init__(self, engine):
        self.engine = engine
        self.services = [PolicyService(engine), LogService(engine, lambda _id: "fingerprint")]
        self.reports = InspectionService(engine)

    async def create(self, script="", name="demo", policy=None, annotations=None):
        policy = policy or Policy.default()
        command = ["sh", "-c", script] if script else []
        spec = openshell_pb2.SandboxSpec(command=command).SerializeToString()
        new = NewSandbox("default", name, {}, annotations or {}, spec, (), policy, policy_wire.digest(policy))
        return await self.engine.create(new)

    def ask(self, method, **fields):
        """Call a method of OpenShell's service."""
        service = next(service for service in self.services if hasattr(service, method))
        kinds = sandbox_pb2 if hasattr(sandbox_pb2, f"{method}Request") else openshell_pb2
        return getattr(service, method)(json_format.ParseDict(fields, getattr(kinds, f"{method}Request")()), None)

    async def report(self, method, **fields):
        """Call a method of our own service."""
        request = getattr(inspection_pb2, f"{method}Request")(sandbox="demo", **fields)
        return await getattr(self.reports, method)(request, None)

    def attach(self, *messages, session=0, replay=True):
        """Attach; further messages come from the queue that is returned beside the answers."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        start = inspection_pb2.AttachStart(sandbox="demo", session=session, replay=replay)
        for message in (inspection_pb2.AttachInput(start=start), *messages):
            queue.put_nowait(message)

        async def requests():
            while (message := await queue.get()) is not None:
                yield message

        return self.reports.AttachSession(requests(), None), queue


@pytest.fixture
def gateway(tmp_path, monkeypatch):
    """Run a test's coroutine with a gateway whose folders are new; its sandboxes end with it: ``gateway(test)``."""
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, f"{tmp_path}/{variable}")

    @asynccontextmanager
    async def opened():
        store = await AsyncStore.open(f"{runs.state_root()}/gateway/store.sqlite")
        engine = Engine(store, Supervisors())
        try:
            await engine.recover()
            yield Gateway(engine)
        finally:
            for box in engine.boxes():
                await engine.delete(box.row.workspace, box.row.name)
            await engine.close()
            await store.close()

    def run(test):
        async def main():
            async with opened() as services:
                await asyncio.wait_for(test(services), SECONDS)

        asyncio.run(main())

    return run


def kind(event):
    return event.WhichOneof("payload")


def test_a_new_network_section(gateway):
    """It is in force at once: in the report, denied, with a finding and an event; asking again changes nothing."""

    async def test(call):
        await call.create()
        before = await call.report("GetEffectivePolicy")
        answer = await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD])
        again = await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD])
        assert (2, answer) == (answer.version, again)
        report = await call.report("GetEffectivePolicy")
        effective = json.loads(report.effective_json)
        entries = [(one["endpoint"], one["status"]) for one in effective["network"]["entries"]]
        assert [("api.example.com:443", "skipped")] == entries
        assert "api.example.com" in report.declared_yaml
        findings = (await call.report("GetFindings")).findings
        assert ["network.denied"] == [one.code for one in findings if one.code.startswith("network.")]
        logs = (await call.ask("GetSandboxLogs", sandbox="demo", sources=["sandbox"])).logs
        assert [True] == [
            "api.example.com:443" in one.message for one in logs if one.fields["code"] == "network.denied"
        ]
        old = await call.report("GetEffectivePolicy", revision=1)
        assert (before.declared_yaml, "", 1, 2) == (
            old.declared_yaml,
            old.effective_json,
            old.revision,
            old.active_revision,
        )
        removed = await call.ask(
            "UpdateConfig", sandbox="demo", merge_operations=[{"remove_rule": {"rule_name": "api"}}]
        )
        assert (3, before.policy_hash) == (removed.version, removed.policy_hash)
        assert [] == json.loads((await call.report("GetEffectivePolicy")).effective_json)["network"]["entries"]

    gateway(test)


def test_revisions_on_the_wire(gateway):
    """What is declared and nothing else; what is in force beside it as provenance, the runtime section among it."""
    policy = Policy.parse("version: 1\nfilesystem_policy: {include_workdir: true}\nruntime: {kernel_log: 'off'}\n")

    async def test(call):
        await call.create(policy=policy)
        config = await call.ask("GetSandboxConfig", name="demo")
        assert policy_wire.to_wire(policy) == config.policy
        assert (1, policy_wire.digest(policy)) == (config.version, config.policy_hash)
        status = await call.ask("GetSandboxPolicyStatus", sandbox="demo")
        assert ("LOADED", 1) == (openshell_pb2.PolicyStatus.Name(status.revision.status)[14:], status.active_version)
        assert config.policy == status.revision.policy
        assert '{"kernel_log":"off"}' == status.revision.provenance[RUNTIME]
        assert "baseline/process" in status.revision.provenance["pyopenshell/baseline"]
        await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD])
        assert {RUNTIME} == (
            await call.ask("GetSandboxPolicyStatus", sandbox="demo", version=1)
        ).revision.provenance.keys()
        assert "off" in (await call.ask("GetSandboxPolicyStatus", sandbox="demo")).revision.provenance[RUNTIME]
        first = await call.ask("ListSandboxPolicies", sandbox="demo", page_size=1)
        second = await call.ask("ListSandboxPolicies", sandbox="demo", page_token=first.next_page_token)
        assert [2, 1] == [one.version for one in (*first.revisions, *second.revisions)]
        assert "" == second.next_page_token
        assert [True, False] == [
            {RUNTIME, "pyopenshell/baseline"} <= one.provenance.keys() for one in (*first.revisions, *second.revisions)
        ]
        with pytest.raises(NotKept):
            await call.ask("GetSandboxPolicyStatus", sandbox="demo", version=9)
        with pytest.raises(UsageError):
            await call.ask("ListSandboxPolicies", sandbox="demo", page_token="x")

    gateway(test)


def test_a_text_of_ones_own(gateway):
    """It is kept as it was written, and grants name its lines; its runtime section counts too."""
    before = "version: 1\nfilesystem_policy: {include_workdir: true, read_only: [/etc/ssl]}\n"
    after = f"# wider\n\n{before}network_policies: {{api: {{endpoints: [{{host: api.example.com, port: 443}}]}}}}\n"
    policy = Policy.parse(after)

    async def test(call):
        await call.create(policy=Policy.parse(before))
        for line, text, change in ((2, before, None), (4, after, policy)):
            if change:
                fields = {
                    "policy": json_format.MessageToDict(policy_wire.to_wire(change)),
                    "annotations": policy_wire.annotations_of(change),
                }
                answer = await call.ask("UpdateConfig", sandbox="demo", **fields)
                assert (2, {}) == (answer.version, dict(answer.annotations))
            report = await call.report("GetEffectivePolicy")
            grants = json.loads(report.effective_json)["grants"]
            assert (text, line) == (
                report.declared_yaml,
                next(one["origin"]["line"] for one in grants if one["path"] == "/etc/ssl"),
            )
        off = Policy.parse(after + "runtime: {kernel_log: 'off'}\n")
        sent = json_format.MessageToDict(policy_wire.to_wire(off))
        fields = {"policy": sent, "annotations": {policy_wire.TEXT: off.source.text}}
        with pytest.raises(PolicyError, match="something else"):
            await call.ask("UpdateConfig", sandbox="demo", **fields)
        with pytest.raises(PolicyRefused, match=r"runtime\.kernel_log"):
            await call.ask("UpdateConfig", sandbox="demo", **fields | {"annotations": policy_wire.annotations_of(off)})

    gateway(test)


def test_what_is_refused(gateway):
    """Fixed sections, changes that are none, policies and settings for all, a version that is old."""

    async def test(call):
        row = await call.create()
        policy = {"version": 1, "filesystem": {"include_workdir": True}}
        runtime = {RUNTIME: '{"cuda_thread_names":"off"}'}
        with pytest.raises(PolicyRefused, match=r"runtime\.cuda_thread_names"):
            await call.ask("UpdateConfig", sandbox="demo", policy=policy, annotations=runtime)
        policy["filesystem"] = {"include_workdir": True, "read_only": ["/opt"]}
        with pytest.raises(PolicyRefused, match="read_only would gain /opt"):
            await call.ask("UpdateConfig", sandbox="demo", policy=policy)
        for wrong in ({}, {"setting_key": "x"}, {"policy": {"version": 1}, "merge_operations": [ADD]}):
            with pytest.raises(UsageError):
                await call.ask("UpdateConfig", sandbox="demo", **wrong)
        with pytest.raises(Exception, match="for all sandboxes") as caught:
            await call.ask("UpdateConfig", **{"global": True}, policy={"version": 1})
        assert "gateway.unimplemented" == getattr(caught.value, "code", None)
        with pytest.raises(Conflict):
            await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD], expected_resource_version=99)
        assert 1 == (await call.engine.get("default", "demo")).policy_version == row.policy_version

    gateway(test)


def test_a_policy_is_kept_over_stop_and_start(gateway):
    """What was changed while it did not run holds when it does; the count of versions is the store's."""

    async def test(call):
        await call.create()
        await call.engine.stop("default", "demo")
        assert 2 == (await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD])).version
        row = await call.engine.start("default", "demo")
        report = await call.report("GetEffectivePolicy")
        assert (2, 2) == (report.revision, row.policy_version)
        assert 1 == len(json.loads(report.effective_json)["network"]["entries"])

    gateway(test)


def test_following_a_sandbox(gateway):
    """State, events and log as they come, from what is asked for until it is deleted; a cursor goes on exactly."""

    async def test(call):
        await call.create("read line")
        ask = {"sandbox": "demo", "follow_status": True, "follow_logs": True, "follow_events": True}
        seen = []

        async def follow():
            async for event in call.ask("WatchSandbox", **ask, log_tail_lines=2, event_tail=1):
                seen.append(event)

        following = asyncio.create_task(follow())
        await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD])
        await call.engine.stop("default", "demo")
        await call.engine.start("default", "demo")
        await call.engine.delete("default", "demo")
        await following
        phases = [
            openshell_pb2.SandboxPhase.Name(one.sandbox.status.phase)[14:] for one in seen if kind(one) == "sandbox"
        ]
        assert ["READY", "DELETING"] == [phases[0], phases[-1]]
        assert {"STOPPED", "STARTING"} <= set(phases)
        assert "PolicyLoaded" in [one.event.reason for one in seen if kind(one) == "event"]
        codes = [one.log.fields["code"] for one in seen if kind(one) == "log" and one.log.source == "sandbox"]
        assert "sandbox.start" in codes[:2]  # the tail; what came later is all there
        assert [2, 2] == [codes.count(one) for one in ("sandbox.start", "sandbox.stop")]

    gateway(test)


def test_going_on_behind_a_cursor(gateway):
    """Neither is a line told twice nor one left out, wherever it was interrupted."""

    async def test(call):
        await call.create()
        ask = {"sandbox": "demo", "follow_logs": True}

        async def take(count, **more):
            found = []
            events = call.ask("WatchSandbox", **ask, **more)
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
            await events.aclose()
            return found

        row = await call.engine.get("default", "demo")
        begin = f"{row.run_id}.0"
        whole = await take(12, resume_after_cursor=begin)
        for cut in (1, 5, 11):
            rest = await take(12 - cut, resume_after_cursor=whole[cut - 1].cursor)
            assert whole[cut:] == rest
        (warning,) = await take(1, resume_after_cursor=f"{runs.new_id()}.7")
        assert "warning" == kind(warning)
        with pytest.raises(UsageError):
            await take(1, resume_after_cursor="../../etc/passwd")
        with pytest.raises(UsageError):
            await anext(call.ask("WatchSandbox", sandbox="demo"))

    gateway(test)


def test_a_watch_ends_where_nothing_more_comes(gateway):
    """With ``stop_on_terminal``, after the last line: here that of the main process's end."""

    async def test(call):
        await call.create("exit 3")
        ask = {"follow_status": True, "follow_logs": True, "log_tail_lines": 9}
        events = [one async for one in call.ask("WatchSandbox", sandbox="demo", stop_on_terminal=True, **ask)]
        last = [one.sandbox.status for one in events if kind(one) == "sandbox"][-1]
        assert ("COMPLETED", 3) == (openshell_pb2.SandboxPhase.Name(last.phase)[14:], last.exit_code)
        assert "process.exit" in [one.log.fields["code"] for one in events if kind(one) == "log"]

    gateway(test)


def test_attaching(gateway):
    """What was written comes again, then what comes; who leaves leaves it running; at last how it ended."""

    async def test(call):
        await call.create("echo out; echo err >&2; read line; echo got $line; exit 3")
        answers, queue = call.attach()
        found = [await anext(answers) for _ in range(3)]
        assert ["attached", "stdout", "stderr"] == [kind(one) for one in found]
        assert (0, "sh", b"out\n", b"err\n") == (
            found[0].attached.session,
            found[0].attached.argv[0],
            found[1].stdout,
            found[2].stderr,
        )
        queue.put_nowait(inspection_pb2.AttachInput(detach=True))
        assert [] == [one async for one in answers]
        (session,) = (await call.report("ListSessions")).sessions
        assert (True, 0) == (session.running, session.number)
        answers, queue = call.attach(inspection_pb2.AttachInput(stdin=b"it\n"), replay=False)
        found = [one async for one in answers]
        assert ["attached", "stdout", "ended"] == [kind(one) for one in found]
        assert (b"got it\n", 3) == (found[1].stdout, found[2].ended.exit_code)

    gateway(test)


def test_attaching_ends_it(gateway):
    """By a signal, or by the end of what it reads; a message that makes no sense ends the call alone."""

    async def test(call):
        await call.create("cat")
        for wrong in (inspection_pb2.AttachInput(signal=99), inspection_pb2.AttachInput(start={})):
            with pytest.raises(UsageError):
                _ = [one async for one in call.attach(wrong)[0]]
        with pytest.raises(UsageError, match="no session 7"):
            await anext(call.attach(session=7)[0])
        found = [one async for one in call.attach(inspection_pb2.AttachInput(signal=15))[0]]
        assert (143, 15) == (found[-1].ended.exit_code, found[-1].ended.signal)
        await call.engine.delete("default", "demo")
        await call.create("cat; echo done")
        found = [one async for one in call.attach(inspection_pb2.AttachInput(eof=True))[0]]
        assert b"done\n" == found[-2].stdout

    gateway(test)


def test_reports(gateway):
    """Receipt and inspection: what the record holds, as the command prints it."""

    async def test(call):
        row = await call.create("read line")
        record = f"{runs.state_root()}/runs/{row.run_id}"
        receipt = (await call.report("GetReceipt")).receipt_json
        with open(f"{record}/receipt.json", encoding="utf-8") as file:
            assert json.loads(file.read()) == json.loads(receipt)
        whole = json.loads((await call.report("GetInspection")).inspection_json)
        assert ["effective", "exit", "meta", "receipt", "sandbox"] == sorted(whole)
        assert ("demo", "running", None) == (whole["sandbox"]["name"], whole["sandbox"]["state"], whole["exit"])

    gateway(test)


def test_verifying(gateway):
    """What its report says is tried inside a sandbox; the verdict is in its log, too."""

    async def test(call):
        await call.create("read line")
        verification = json.loads((await call.report("Verify")).verification_json)
        assert "as reported" == verification["verdict"]
        logs = (await call.ask("GetSandboxLogs", sandbox="demo", lines=1, sources=["sandbox"])).logs
        assert ["sandbox.verified"] == [one.fields["code"] for one in logs]

    gateway(test)


def test_a_sandbox_of_openshell_run(gateway):
    """It is shown like others, with its one policy; that cannot be changed."""

    async def test(call):
        script = "import sys; from pyopenshell.__main__ import main; sys.exit(main())"
        command = [sys.executable, "-c", script, "run", "--name", "demo", "--", "sh", "-c", "echo up; read line"]
        run = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert run.stdin is not None
        assert run.stdout is not None
        try:
            assert b"up\n" == await run.stdout.readline()
            status = await call.ask("GetSandboxPolicyStatus", sandbox="demo")
            assert (1, 1) == (status.revision.version, status.active_version)
            assert "baseline/process" in status.revision.provenance["pyopenshell/baseline"]
            report = await call.report("GetEffectivePolicy")
            assert Policy.default().source.text == report.declared_yaml
            assert "pyopenshell.effective/1" in report.effective_json
            logs = (await call.ask("GetSandboxLogs", sandbox="demo", lines=1)).logs
            assert ["process.launch"] == [one.fields["code"] for one in logs]
            with pytest.raises(PolicyRefused, match="`openshell run` started it"):
                await call.ask("UpdateConfig", sandbox="demo", merge_operations=[ADD])
        finally:
            with suppress(ProcessLookupError):
                run.stdin.close()
            await run.wait()

    gateway(test)
