"""What a request for a sandbox may say: each field is honoured, refused or reported, and the docs say which."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from google.protobuf import json_format
from openshell._proto import openshell_pb2, sandbox_pb2

from pyopenshell.errors import NoSuchSandbox, OpenShellError, PolicyError, UsageError
from pyopenshell.gateway import asked, limits, messages, service, services
from pyopenshell.gateway.auth import Caller
from pyopenshell.gateway.exposures import Exposures
from pyopenshell.gateway.proto import files_pb2
from pyopenshell.gateway.service import files, sandboxes
from pyopenshell.gateway.service.exec import ExecService
from pyopenshell.gateway.service.sandboxes import SandboxService
from pyopenshell.gateway.store import Revision, Sandbox
from pyopenshell.gateway.validate import FieldError
from pyopenshell.policy.model import Policy

DOCS = Path(__file__).parents[3] / "docs/gateway.md"
PARTS = (
    (openshell_pb2.CreateSandboxRequest, ""),
    (openshell_pb2.SandboxSpec, "spec."),
    (openshell_pb2.SandboxTemplate, "spec.template."),
    (sandbox_pb2.SandboxPolicy, "spec.policy."),
    (openshell_pb2.ExecSandboxRequest, "exec."),
)


def request(**fields):
    """A request for a sandbox."""
    return openshell_pb2.CreateSandboxRequest(**fields)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"request_id": "x" * 300}, "request_id"),
        ({"annotations": {"pyopenshell/origin": "run"}}, "annotations"),
        ({"annotations": {"pyopenshell/services": "[]"}}, "annotations"),
        ({"annotations": {"pyopenshell/other": ""}}, "annotations"),
        ({"spec": {"restart_policy": 99}}, "spec.restart_policy"),
        ({"service_exposures": [{"target_port": 1, "authorization_mode": 9}]}, "service_exposures.authorization_mode"),
        ({"spec": {"providers": ["x"] * 300}}, "spec.providers"),
        ({"spec": {"log_level": "x" * 100}}, "spec.log_level"),
        ({"spec": {"template": {"image": "x" * 5000}}}, "spec.template.image"),
        ({"spec": {"template": {"labels": {"a b": ""}}}}, "spec.template.labels"),
        ({"spec": {"template": {"annotations": {"a": "\0"}}}}, "spec.template.annotations.a"),
        ({"spec": {"template": {"resources": {"limits": {}, "cpu": "1"}}}}, "spec.template.resources"),
        ({"spec": {"template": {"resources": {"limits": {"limits": {}}}}}}, "spec.template.resources.limits"),
    ],
)
def test_what_is_refused(fields, field):
    """What this gateway cannot tell the meaning of, what is its own to say, and what is too large."""
    with pytest.raises(FieldError) as refused:
        asked.check(request(**fields))
    assert field == refused.value.field


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"template": {"image": "ubuntu\x1b[31m"}}, r"image 'ubuntu\\x1b\[31m'"),
        ({"template": {"labels": {"a": "b"}}}, "labels"),
        ({"template": {"user_namespaces": True}}, "user_namespaces"),
        ({"template": {"resources": {"requests": {"cpu": "1"}}}}, "requests"),
        ({"log_level": "debug"}, "log_level"),
        ({"provider_attachment_epoch": "7"}, "epoch"),
        ({"tty": True}, "tty"),
    ],
)
def test_what_has_no_effect_is_reported(spec, named):
    """A condition of the sandbox says so, as plain text; where all has an effect there is none."""
    asked.check(request(spec=spec))
    told = messages.sandbox(row(openshell_pb2.SandboxSpec(**spec)))
    (unused,) = (one for one in told.status.conditions if one.type == messages.UNUSED)
    assert re.search(named, unused.message)
    plain = messages.sandbox(row(openshell_pb2.SandboxSpec(command=["true"], tty=True)))
    assert ["Ready"] == [one.type for one in plain.status.conditions]


def test_every_field_is_in_the_docs():
    """The table says of each field of the protocol what becomes of it, and names none that there is not."""
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", DOCS.read_text(), re.MULTILINE))
    there = {f"{prefix}{field.name}" for kind, prefix in PARTS for field in kind.DESCRIPTOR.fields}
    assert there == told


def row(spec, id_="0A"):
    """A sandbox as it is stored."""
    texts = {"workspace": "default", "name": "demo", "phase": "READY", "reason": "", "message": "", "request_id": ""}
    numbers = {"policy_version": 1, "restarts": 0, "resource_version": 1, "created": 0}
    nothing = dict.fromkeys(("run_id", "exit_code", "workdir", "main_started"))
    fields: dict[str, Any] = {**texts, **numbers, **nothing, "labels": {}, "annotations": {}}
    return Sandbox(id=id_, spec=spec.SerializeToString(), **fields)


class Engine:
    """Sandboxes that are only stored; ``call`` of its store answers for all of them."""

    def __init__(self, rows, text):
        self.rows, self.text, self.store, self.on_end = rows, text, self, []

    async def create(self, _new):
        raise AssertionError("it was to be refused")

    async def supervised(self, _workspace, name):
        raise NoSuchSandbox(f"there is no sandbox {name}")

    async def list(self, _scope):
        return self.rows

    async def get(self, _workspace, _name):
        return self.rows[0]

    async def call(self, *_):
        return Revision("0A", 1, "", self.text, "loaded", "", 0, 0, {})


def test_a_sandbox_comes_with_its_policy_and_a_page_fits():
    """``GetSandbox`` has the policy that is in force. A page ends before its answer is too large for clients."""
    spec = openshell_pb2.SandboxSpec(environment={"A": "x" * (1 << 20)})
    rows = [row(spec, f"{number:026}") for number in range(7)]
    engine: Any = Engine(rows, Policy.default().source.text)
    serving: Any = SandboxService(engine, Exposures(engine), lambda _id: "")

    async def run():
        got = await serving.GetSandbox(openshell_pb2.GetSandboxRequest(name="demo"), None)
        assert json_format.MessageToDict(got.sandbox.spec.policy)["filesystem"]["includeWorkdir"] is True
        seen, token = [], ""
        while True:
            page = await serving.ListSandboxes(openshell_pb2.ListSandboxesRequest(page_token=token), None)
            assert limits.MESSAGE > page.ByteSize()
            seen += [one.metadata.id for one in page.sandboxes]
            token = page.next_page_token
            if not token:
                return seen

    assert [one.id for one in rows] == asyncio.run(run())


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "No"},
        {"request_id": "x" * 300},
        {"labels": {"a b": ""}},
        {"workload_template": "x"},
        {"workspace_scope": {"all_workspaces": {}}},
        {"spec": {"command": [""]}},
        {"spec": {"environment": {"A=B": ""}}},
        {"spec": {"template": {"environment": {"A=B": ""}}}},
        {"spec": {"template": {"agent_socket": "/x"}}},
        {"spec": {"template": {"resources": {"disk": "1"}}}},
        {"spec": {"policy": {"version": 2}}},
        {"service_exposures": [{"target_port": 0}]},
        {"annotations": {"pyopenshell/workdir": "relative"}},
        {"annotations": {"pyopenshell/workdir": "/etc"}},
    ],
)
def test_nothing_is_made_of_a_request_that_is_refused(fields, monkeypatch):
    """All of it is looked at before anything is done. The last two name a folder of the host, one from another host."""
    monkeypatch.setattr(sandboxes, "caller", lambda: Caller("ann", "mtls", local=False))
    engine: Any = Engine([], "")
    serving: Any = SandboxService(engine, Exposures(engine), lambda _id: "")
    with pytest.raises(OpenShellError) as refused:
        asyncio.run(serving.CreateSandbox(json_format.ParseDict(fields, request()), None))
    assert isinstance(refused.value, UsageError | PolicyError)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"workdir": "/" + "x" * limits.PATH}, "workdir"),
        ({"workdir": "/\0"}, "workdir"),
        ({"command": []}, "command"),
        ({"command": ["a\0"]}, r"command\[0\]"),
        ({"environment": {"A=B": ""}}, "environment"),
        ({"execution_timeout": {"seconds": -1}}, "execution_timeout"),
        ({"tty": True, "rows": 1 << 31}, "rows"),
    ],
)
def test_what_a_program_is_started_with_is_bounded(fields, field):
    """It travels to the sandbox's supervisor, and is held against the bounds before."""
    engine: Any = Engine([], "")
    serving: Any = ExecService(engine)
    asking = openshell_pb2.ExecSandboxRequest(**{"sandbox": "a", "command": ["true"], **fields})
    with pytest.raises(FieldError, match=f"^{field}: "):
        asyncio.run(anext(serving.ExecSandbox(asking, None)))


def test_transfers_at_once_are_counted(monkeypatch):
    """Each has a process in a sandbox: there are so many at most, and none that failed counts."""
    engine: Any = Engine([], "")
    serving: Any = files.Files(engine)
    asking = files_pb2.DownloadRequest(sandbox="a", path=b".")
    for _ in range(2 * files.TRANSFERS):
        with pytest.raises(NoSuchSandbox):
            asyncio.run(anext(serving.Download(asking, None)))
    monkeypatch.setattr(files, "TRANSFERS", 0)
    with pytest.raises(OpenShellError) as refused:
        asyncio.run(anext(serving.Download(asking, None)))
    assert "limit.transfers" == refused.value.code


def test_all_that_is_written_is_served(tmp_path):
    """Each method of each group of the service is one of the gateway's: none was forgotten when they were joined."""
    engine: Any = Engine([], "")
    (_, joined), *_ = services.services(engine, Exposures(engine), str(tmp_path / "own"), "0.1.5")[0]
    folder = Path(service.__file__).parent
    written = {name for file in folder.glob("*.py") for name in re.findall(r"async def ([A-Z]\w+)", file.read_text())}
    assert {name for name in service.METHODS if name in written} == vars(joined).keys()
