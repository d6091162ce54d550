"""The SDK: a sandbox whose main process serves HTTP, at a port of the gateway's host."""

from openshell import SandboxClient, ServiceExposure
from openshell._proto import openshell_pb2 as pb
from telling import check, tell

SERVER = "cd /tmp && echo from inside > index.html && exec python3 -m http.server --bind 127.0.0.1 8000"


@check
def created():
    with SandboxClient.from_active_cluster() as client:
        spec = pb.SandboxSpec(command=["sh", "-c", SERVER])
        exposures = [ServiceExposure(8000), ServiceExposure(8001, "nobody")]
        made = client.create(workspace="default", name="web", spec=spec, service_exposures=exposures)
        client.wait_ready("web", workspace="default", timeout_seconds=30)
        return dict(made.service_urls)


if __name__ == "__main__":
    tell()
