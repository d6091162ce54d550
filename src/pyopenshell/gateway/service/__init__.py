"""The services of a gateway: OpenShell's, joined of the groups in this folder, and our own beside it."""

from __future__ import annotations

from openshell._proto import openshell_pb2, openshell_pb2_grpc

METHODS = tuple(openshell_pb2.DESCRIPTOR.services_by_name["OpenShell"].methods_by_name)
"""The names of OpenShell's methods."""


class OpenShell(openshell_pb2_grpc.OpenShellServicer):
    """OpenShell's service: each method is that of the group which has it; the others are answered UNIMPLEMENTED."""

    def __init__(self, *groups: object) -> None:
        """Join them."""
        for group in groups:
            for name in METHODS:
                if hasattr(group, name):
                    setattr(self, name, getattr(group, name))
