"""A gateway that answers what a test tells it to, over a real connection: for what the command makes of answers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from openshell._proto import openshell_pb2, openshell_pb2_grpc

from pyopenshell import errors
from pyopenshell.gateway import configuration, status
from pyopenshell.gateway.proto import inspection_pb2, inspection_pb2_grpc

READY = openshell_pb2.SANDBOX_PHASE_READY


def sandbox(name="demo", **more):
    """Return a sandbox as a gateway tells it."""
    meta = {"id": f"id-{name}", "name": name, "workspace": "default", "created_time": {"seconds": 1_700_000_000}}
    return openshell_pb2.Sandbox(metadata={**meta, **more.pop("metadata", {})}, status={"phase": READY}, **more)


def refuse(context, error):
    """End a call as the real one does."""
    code, text, metadata = status.to_rpc(error)
    context.set_trailing_metadata(metadata)
    context.abort(code, text)


def nobody(_requests, _context):
    """Answer nothing."""
    return iter(())


class Service(openshell_pb2_grpc.OpenShellServicer):
    """OpenShell's methods as far as tests need them. ``seen`` has the requests."""

    def __init__(self):
        self.seen = []
        self.sandboxes = {"demo": sandbox()}
        self.interactive = nobody

    def __getattribute__(self, name):
        """Keep what is asked."""
        found = super().__getattribute__(name)
        if name[0].isupper() and name != "ExecSandboxInteractive":

            def kept(request, context):
                self.seen.append(request)
                return found(request, context)

            return kept
        return found

    def Health(self, request, context):
        return openshell_pb2.HealthResponse(status=openshell_pb2.SERVICE_STATUS_HEALTHY, version="0.1.5")

    def ListSandboxes(self, request, context):
        names = sorted(self.sandboxes)
        at = names.index(request.page_token) + 1 if request.page_token else 0
        page = names[at : at + 2]
        more = page[-1] if at + 2 < len(names) else ""
        return openshell_pb2.ListSandboxesResponse(
            sandboxes=[self.sandboxes[name] for name in page], next_page_token=more
        )

    def GetSandbox(self, request, context):
        if request.name not in self.sandboxes:
            refuse(context, errors.NoSuchSandbox(f"there is no sandbox {request.name!r}", hint="look again"))
        return openshell_pb2.SandboxResponse(sandbox=self.sandboxes[request.name])

    def CreateSandbox(self, request, context):
        made = sandbox(request.name or "made", spec=request.spec)
        self.sandboxes[made.metadata.name] = made
        return openshell_pb2.SandboxResponse(sandbox=made)

    def DeleteSandbox(self, request, context):
        self.GetSandbox(request, context)
        del self.sandboxes[request.name]
        return openshell_pb2.DeleteSandboxResponse(outcome=openshell_pb2.DELETION_OUTCOME_COMPLETED)

    def UpdateConfig(self, request, context):
        return openshell_pb2.UpdateConfigResponse(version=2, policy_hash="ab" * 32)

    def GetSandboxPolicyStatus(self, request, context):
        revision = {"version": request.version or 2, "status": openshell_pb2.POLICY_STATUS_PENDING}
        return openshell_pb2.GetSandboxPolicyStatusResponse(revision=revision, active_version=1)

    def ExecSandboxInteractive(self, requests, context):
        yield from self.interactive(requests, context)


class Inspection(inspection_pb2_grpc.InspectionServicer):
    """Our own methods; ``attached`` answers AttachSession."""

    def __init__(self):
        self.attached = nobody
        self.inspection = {}
        self.sessions = []

    def GetInspection(self, request, context):
        return inspection_pb2.GetInspectionResponse(inspection_json=json.dumps(self.inspection))

    def ListSessions(self, request, context):
        return inspection_pb2.ListSessionsResponse(sessions=self.sessions)

    def GetEffectivePolicy(self, request, context):
        return inspection_pb2.GetEffectivePolicyResponse(
            declared_yaml="version: 1\n",
            effective_json=json.dumps(self.inspection.get("effective")),
            revision=request.revision or 1,
            active_revision=1,
        )

    def AttachSession(self, requests, context):
        yield from self.attached(requests, context)


@contextmanager
def serving(name="far"):
    """Serve as the active gateway of this test's configuration."""
    server = grpc.server(ThreadPoolExecutor(4))
    service, inspection = Service(), Inspection()
    openshell_pb2_grpc.add_OpenShellServicer_to_server(service, server)
    inspection_pb2_grpc.add_InspectionServicer_to_server(inspection, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    configuration.add(name, f"http://127.0.0.1:{port}")
    configuration.select(name)
    try:
        yield service, inspection
    finally:
        server.stop(None).wait()
