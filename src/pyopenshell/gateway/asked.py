"""What a request for a sandbox may say beside what is checked where it is used: nothing is accepted and ignored.

Each field is honoured, refused here, or named in a condition of the sandbox (``unused``). docs/gateway.md
has the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from pyopenshell.gateway import limits, validate
from pyopenshell.gateway.validate import FieldError
from pyopenshell.policy.problems import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openshell._proto import openshell_pb2

OURS = "pyopenshell/"
"""What the keys of our annotations begin with."""
TAKEN = frozenset({"pyopenshell/policy", "pyopenshell/runtime", "pyopenshell/workdir"})
"""Those of them that a client may send. The others are the gateway's own words."""


def check(request: openshell_pb2.CreateSandboxRequest) -> None:
    """Accept a request for a sandbox, as far as is seen from it alone. Raises FieldError."""
    spec, template = request.spec, request.spec.template
    validate.text(request.request_id, "request_id", limits.REQUEST_ID)
    validate.annotations(request.annotations)
    for key in request.annotations:
        if key.startswith(OURS) and key not in TAKEN:
            raise FieldError(
                "annotations", f"{key} is the gateway's own", hint=f"clients may send {', '.join(sorted(TAKEN))}"
            )
    _known(spec, "restart_policy", "spec.restart_policy")
    for exposure in request.service_exposures:
        _known(exposure, "authorization_mode", "service_exposures.authorization_mode")
    validate.count(spec.providers, "spec.providers")
    validate.text(spec.log_level, "spec.log_level", limits.LABEL)
    validate.text(spec.provider_attachment_epoch, "spec.provider_attachment_epoch", limits.REQUEST_ID)
    validate.text(template.image, "spec.template.image", limits.PATH)
    validate.labels(template.labels, "spec.template.labels")
    validate.annotations(template.annotations, "spec.template.annotations")
    asked = MessageToDict(template.resources)
    if "limits" in asked and (both := {"cpu", "memory"} & asked.keys()):
        raise FieldError("spec.template.resources", f"{min(both)} stands beside limits", hint="write it in there")
    if isinstance(asked.get("limits"), dict) and {"limits", "requests"} & asked["limits"].keys():
        raise FieldError("spec.template.resources.limits", "holds more than amounts", hint="there are cpu and memory")


def _known(message: object, name: str, field: str) -> None:
    """Accept a value of an enum that the protocol knows: any other means what this gateway cannot tell."""
    number = getattr(message, name)
    values = message.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number  # type: ignore[attr-defined]
    if number not in values:
        raise FieldError(field, f"{number} is no value of this protocol")


def unused(spec: openshell_pb2.SandboxSpec) -> Iterator[str]:
    """Yield a sentence for each field of a sandbox that was asked for and has no effect."""
    template = spec.template
    if template.image:
        yield (
            f"image {show(template.image)} is not used: sandboxes of this gateway see the host's files, as far as "
            "their policy grants them"
        )
    if template.labels or template.annotations:
        yield "the template's labels and annotations are kept, and nothing else: there is no container that has them"
    if template.user_namespaces:
        yield "user_namespaces changes nothing: `openshell sandbox inspect` shows what isolates the sandbox"
    if template.HasField("resources") and "requests" in template.resources.fields:
        yield "requests of resources reserve nothing: limits hold"
    if spec.log_level:
        yield f"log_level {show(spec.log_level)} changes nothing: all is logged, and `openshell logs --level` selects"
    if spec.provider_attachment_epoch:
        yield "provider_attachment_epoch changes nothing: providers bring what they have when the sandbox starts"
    if spec.tty and not spec.command:
        yield "tty changes nothing: there is no main process"
