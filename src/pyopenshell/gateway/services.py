"""All that a gateway serves, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2_grpc

from pyopenshell.gateway.proto import files_pb2_grpc, inspection_pb2_grpc
from pyopenshell.gateway.service import OpenShell
from pyopenshell.gateway.service.exec import ExecService
from pyopenshell.gateway.service.files import Files
from pyopenshell.gateway.service.inspection import InspectionService
from pyopenshell.gateway.service.logs import LogService
from pyopenshell.gateway.service.policies import PolicyService
from pyopenshell.gateway.service.profiles import ProfileService
from pyopenshell.gateway.service.providers import ProviderService
from pyopenshell.gateway.service.sandboxes import SandboxService
from pyopenshell.gateway.service.ssh import Ssh
from pyopenshell.gateway.service.workspaces import WorkspaceService
from pyopenshell.gateway.ssh.hostkey import HostKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyopenshell.gateway.engine import Engine
    from pyopenshell.gateway.exposures import Exposures
    from pyopenshell.gateway.server import Service


def services(
    engine: Engine, exposures: Exposures, folder: str, protocol: str
) -> tuple[list[Service], Callable[[], Awaitable[None]]]:
    """Return the services of a gateway whose own folder this is, and what ends them. Raises StateError."""
    keys = HostKeys.load(folder)
    providers = ProviderService(engine)
    engine.environment = providers.environment
    ssh = Ssh(engine, keys)
    joined = OpenShell(
        SandboxService(engine, exposures, keys.fingerprint, protocol),
        ExecService(engine),
        PolicyService(engine),
        LogService(engine, keys.fingerprint),
        WorkspaceService(engine),
        providers,
        ProfileService(engine),
        ssh,
    )
    served: list[Service] = [
        (openshell_pb2_grpc.add_OpenShellServicer_to_server, joined),
        (inspection_pb2_grpc.add_InspectionServicer_to_server, InspectionService(engine)),
        (files_pb2_grpc.add_FilesServicer_to_server, Files(engine)),
    ]
    return served, ssh.close
