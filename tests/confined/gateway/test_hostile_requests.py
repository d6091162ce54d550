"""Requests that lie: names that are paths, labels without end, tokens of nothing, sandboxes of others."""

import signal

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from openshell._proto import openshell_pb2 as messages

from pyopenshell.gateway.proto import files_pb2, inspection_pb2
from pyopenshell.testing import require
from tests.confined.gateway.faults import ALIVE, Client, spec

TEXTS = [
    "../../../../etc",
    "/etc/passwd",
    "..",
    ".",
    "a/../b",
    "nul\0byte",
    "-rf",
    "A" * 100_000,
    "Ünïcode",
    "\ud7ff\u202e",
    "%s{}",
]
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
METHODS = [
    method
    for module in (messages, inspection_pb2, files_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@pytest.fixture(scope="module")
def house(built, tmp_path_factory):
    """A house with a gateway, for all tests of this module."""
    require(namespaces=True)
    with built.rooms(tmp_path_factory.mktemp("hostile")) as made:
        yield made.start()


@pytest.fixture(scope="module")
def client(house):
    """A client of that gateway, in which a sandbox is; at the end that is as it was, and nothing else is left."""
    made = Client(house)
    made.create("honest", "sleep", "1000")
    yield made
    assert [("honest", ALIVE[0])] == [(row.metadata.name, row.status.phase) for row in made.rows()]
    assert (0, b"on\n") == made.execute("honest", "echo", "on")
    made.delete("honest")
    made.channel.close()
    house.kill(signal.SIGTERM)
    assert [] == house.nothing_is_left()
    assert ("Traceback", "defect") == tuple(word for word in ("Traceback", "defect") if word not in house.log)


def filled(kind, text, depth=0):
    """Return a message with a text wherever there may be one."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if field.containing_oneof and field.containing_oneof.fields[0] is not field:
            continue
        is_map = bool(field.message_type) and field.message_type.GetOptions().map_entry
        if is_map and field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
            getattr(message, field.name)[text] = text
        elif field.message_type and not is_map and depth < 4:
            inner = filled(field.message_type, text, depth + 1)
            if field.is_repeated:
                getattr(message, field.name).add().CopyFrom(inner)
            else:
                getattr(message, field.name).CopyFrom(inner)
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            value = text if field.type == FieldDescriptor.TYPE_STRING else text.encode()
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def answer(client, method, request):
    """Make a call; return the status of its end, and what it says."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    asks, answers = method.client_streaming, method.server_streaming
    call = getattr(client.channel, f"{'stream' if asks else 'unary'}_{'stream' if answers else 'unary'}")
    made = call(path, type(request).SerializeToString, GetMessageClass(method.output_type).FromString)
    try:
        found = made(iter([request]) if asks else request, timeout=10)
        if answers:
            for _ in found:
                pass
    except grpc.RpcError as error:
        return error.code(), str(error.details())
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_texts_that_are_none(client, method):
    """Whatever text is in whatever field, a call is answered, never with a defect of ours, and never with success.

    But for those that take any text, or none: they read, and find nothing.
    """
    for text in TEXTS:
        code, words = answer(client, method, filled(method.input_type, text))
        reads = method.name.startswith(("Health", "Get", "List", "Lint"))
        assert code in REFUSALS or (reads and code == grpc.StatusCode.OK), (text[:20], code, words[:300])
        assert len(words) < 4096


def refusal(client, **request):
    """The status of a creation that is refused, and why."""
    with pytest.raises(grpc.RpcError) as error:
        client.call.CreateSandbox(messages.CreateSandboxRequest(**request), timeout=30)
    return error.value.code(), error.value.details()


@pytest.mark.parametrize(
    "request_",
    [
        {"labels": {f"key{number}": "x" for number in range(300)}},
        {"labels": {"key": "v" * 64}},
        {"labels": {"../key": "value"}},
        {"annotations": {"key": "x" * (300 << 10)}},
        {"annotations": {"pyopenshell/workdir": "relative"}},
        {"annotations": {"pyopenshell/workdir": "/nowhere/at/all"}},
        {"annotations": {"pyopenshell/workdir": "/etc/passwd"}},
        {"annotations": {"pyopenshell/runtime": "[" * 10_000}},
        {"annotations": {"pyopenshell/runtime": '{"cuda_thread_names": "everything"}'}},
        {"spec": spec(*["x"] * 5000)},
        {"spec": spec("x" * (200 << 10))},
        {"workspace_scope": {"workspace": "nowhere"}},
        {"workspace_scope": {"workspace": "../default"}},
        {"workspace_scope": {"all_workspaces": {}}},
        {"name": "../honest"},
        {"name": "honest"},
        {"request_id": "r" * 300},
    ],
    ids="-".join,
)
def test_sandboxes_that_are_not_made(client, request_):
    """Each is refused in words that name the field, and nothing of it is left."""
    code, words = refusal(client, **{"name": "hostile", "spec": spec(), **request_})
    assert code in REFUSALS, (code, words)
    assert ["honest"] == [row.metadata.name for row in client.rows()]


def test_folders_of_ours_as_working_directories(client, house):
    """No sandbox may work where the gateway keeps its state: it could change what there is to be known of it."""
    for folder in (
        f"{house.folder}/state",
        f"{house.folder}/state/openshell",
        f"{house.folder}/state/openshell/gateway",
    ):
        annotations = {"pyopenshell/workdir": folder}
        code, words = refusal(client, name="hostile", spec=spec(), annotations=annotations)
        assert code in REFUSALS, (code, words)
        assert folder in words


def test_another_workspace(client):
    """What is asked of another workspace does not tell whether there is such a sandbox here."""
    client.call.CreateWorkspace(messages.CreateWorkspaceRequest(name="other"), timeout=30)
    told = []
    for name in ("honest", "nonesuch"):
        request = messages.GetSandboxRequest(name=name, workspace_scope={"workspace": "other"})
        with pytest.raises(grpc.RpcError) as error:
            client.call.GetSandbox(request, timeout=30)
        told.append((error.value.code(), str(error.value.details()).replace(name, "NAME")))
    assert grpc.StatusCode.NOT_FOUND == told[0][0]
    assert told[0] == told[1]
