"""Errors on the wire and back: what each becomes, that nothing of it is lost, and that it fits into the metadata."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell import errors
from pyopenshell.errors import OpenShellError, Problem
from pyopenshell.gateway import status
from pyopenshell.gateway.validate import FieldError

Code = grpc.StatusCode
METADATA = 8192
"""Bytes of metadata that clients take by default; each entry counts 32 more than it has (RFC 9113, 6.5.2)."""


class Answer(grpc.RpcError):
    """A failed call, as clients have it."""

    def __init__(self, code, text, trailing=()):
        self._told = code, text, trailing

    def code(self):
        return self._told[0]

    def details(self):
        return self._told[1]

    def trailing_metadata(self):
        return self._told[2]


def there_and_back(error):
    """What a client raises for an error of the gateway's."""
    return status.from_rpc(Answer(*status.to_rpc(error)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), Code.INVALID_ARGUMENT),
        (FieldError("name", "x"), Code.INVALID_ARGUMENT),
        (errors.PolicyError([Problem("x")]), Code.INVALID_ARGUMENT),
        (errors.PolicyRefused("x"), Code.FAILED_PRECONDITION),
        (errors.GpuError("x"), Code.FAILED_PRECONDITION),
        (errors.NoSuchSandbox("x"), Code.NOT_FOUND),
        (errors.NameInUse("x"), Code.ALREADY_EXISTS),
        (errors.SandboxGone("x"), Code.UNAVAILABLE),
        (errors.StateError("x"), Code.UNAVAILABLE),
        (errors.UsageError("x", code="limit.entries"), Code.RESOURCE_EXHAUSTED),
        (OpenShellError("x", code="auth.missing"), Code.UNAUTHENTICATED),
        (OpenShellError("x", code="auth.denied"), Code.PERMISSION_DENIED),
        (OpenShellError("x", code="gateway.unimplemented"), Code.UNIMPLEMENTED),
        (OpenShellError("x"), Code.INTERNAL),
        (errors.LaunchError("x", step="go"), Code.INTERNAL),
    ],
)
def test_what_an_error_becomes(error, code):
    """An error's code decides, else its class, else it is INTERNAL."""
    assert code == status.code_of(error)


def test_a_class_that_somebody_adds_becomes_what_its_base_becomes():
    """A subclass has the status of the nearest class that has one."""

    class Nearer(errors.NoSuchSandbox):
        pass

    assert Code.NOT_FOUND == status.code_of(Nearer("x"))


def test_every_part_of_an_error_comes_back():
    """Class, code, message, hint, place and exit code are as they were."""
    error = errors.PolicyRefused("no (really)", hint="do (that)", code="policy.x", file="p.yaml", line=3, column=5)
    error.exit_code = 7
    back = there_and_back(error)
    assert (errors.PolicyRefused, vars(error), str(error)) == (type(back), vars(back), str(back))


def test_a_step_of_the_launch_comes_back():
    """A LaunchError has its step and the kernel's answer."""
    back = there_and_back(errors.LaunchError("no", step="mounts", errno=13, hint="h"))
    assert (errors.LaunchError, "mounts", 13, "no", "h") == (type(back), back.step, back.errno, back.message, back.hint)


def test_all_mistakes_of_a_policy_come_back():
    """A PolicyError has each mistake with key, place and hint, and the file."""
    problems = (Problem("first", 1, 2, "a.b", "h"), Problem("second", None, None, None, None))
    back = there_and_back(errors.PolicyError(problems, file="p.yaml"))
    assert (errors.PolicyError, problems, "p.yaml") == (type(back), back.problems, back.file)


def test_a_hundred_mistakes_are_cut_and_said_so():
    """Of a policy with more mistakes than fit, the first come back, and how many more there are."""
    back = there_and_back(errors.PolicyError([Problem("x" * 300, line, 1, "key") for line in range(1, 101)]))
    assert 1 == back.problems[0].line
    assert f"{101 - len(back.problems)} more mistakes; the rest is not shown" == back.problems[-1].message


def test_a_field_is_named_for_other_clients():
    """BadRequest names the field of a request, as google.rpc has it."""
    _code, _text, ((_key, data),) = status.to_rpc(FieldError("labels.team", "is bad"))
    bad = error_details_pb2.BadRequest()
    assert status_pb2.Status.FromString(data).details[1].Unpack(bad)
    assert [("labels.team", "labels.team: is bad")] == [(v.field, v.description) for v in bad.field_violations]


def test_the_details_are_those_of_the_status():
    """The details repeat status and text: the SDK drops them where they differ."""
    code, text, ((key, data),) = status.to_rpc(errors.UsageError("bad", hint="do so", file="f", line=1))
    told = status_pb2.Status.FromString(data)
    assert ("grpc-status-details-bin", code.value[0], "f:1: bad (do so)", text) == (key, told.code, told.message, text)


@given(st.text(), st.text() | st.none(), st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1))
def test_whatever_is_said_fits_into_the_metadata(message, hint, problems):
    """No text, hint or list of mistakes makes an answer that a client's bound for metadata would drop."""
    long = [Problem(a * 50, 1, 1, b * 50, c * 50) for a, b, c in problems]
    for error in (errors.UsageError(message * 99, hint=hint and hint * 99, file=message), errors.PolicyError(long)):
        _code, text, ((key, data),) = status.to_rpc(error)
        sent = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in text)
        assert METADATA > sent + len(key) + (len(data) + 2) // 3 * 4 + 32 * 3 + 512
        assert type(error) is type(there_and_back(error))


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50),
    st.none() | st.text(min_size=1, max_size=50),
)
def test_messages_and_hints_come_back_as_they_were(message, hint):
    """Whatever brackets and colons they hold, a message and a hint of usual length are told apart again."""
    back = there_and_back(errors.UsageError(message, hint=hint))
    expected = tuple(None if text is None else text for text in (message, hint))
    assert expected == (back.message, back.hint)


@pytest.mark.parametrize(
    ("code", "text", "kind", "name"),
    [
        (Code.NOT_FOUND, "no sandbox", errors.NoSuchSandbox, "sandbox.unknown"),
        (Code.UNAVAILABLE, "refused", OpenShellError, "gateway.unreachable"),
        (Code.UNIMPLEMENTED, "Method not found!", OpenShellError, "gateway.unimplemented"),
        (Code.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", OpenShellError, "limit.message"),
        (Code.INTERNAL, "", OpenShellError, "gateway"),
    ],
)
def test_answers_of_others(code, text, kind, name):
    """A status without our details, of gRPC or of another gateway, becomes an error of ours."""
    back = status.from_rpc(Answer(code, text))
    assert (kind, name) == (type(back), back.code)
    assert back.message


@pytest.mark.parametrize("trailing", [None, ((status.DETAILS, b"\xff\xff"),), ((status.DETAILS, b""),), (("a", "b"),)])
def test_details_that_cannot_be_read_are_passed_over(trailing):
    """Details that are no message, or none, leave the status as it is."""
    assert "no" == status.from_rpc(Answer(Code.NOT_FOUND, "no", trailing)).message


@pytest.mark.parametrize("answer", [(Code.NOT_FOUND, "x"), (Code.INVALID_ARGUMENT, "other")])
def test_details_of_another_status_are_passed_over(answer):
    """Details that contradict the status or its text, as something in between may leave them, do not count."""
    _code, _text, trailing = status.to_rpc(errors.UsageError("x", code="from.details"))
    assert "from.details" != status.from_rpc(Answer(answer[0], answer[1], trailing)).code


@pytest.mark.parametrize("name", ["Problem", "Any", "Exception", "__builtins__", "nothing", ""])
def test_a_class_that_is_none_of_ours_is_not_raised(name):
    """A gateway that names anything but an error of ours makes none."""
    told = status_pb2.Status(code=5, message="no")
    told.details.add().Pack(error_details_pb2.ErrorInfo(domain=status.DOMAIN, reason="x", metadata={"class": name}))
    back = status.from_rpc(Answer(Code.NOT_FOUND, "no", ((status.DETAILS, told.SerializeToString()),)))
    assert (OpenShellError, "x") == (type(back), back.code)


@pytest.mark.parametrize(
    "metadata",
    [{"exit_code": code} for code in ("0", "-1", "256", "9" * 400)] + [{"class": "PolicyError", "places": "[" * 7000}],
)
def test_a_gateway_that_lies_about_a_failure(metadata):
    """No failure ends a command as if it had succeeded; places that cannot be read are none."""
    told = status_pb2.Status(code=5, message="no")
    told.details.add().Pack(error_details_pb2.ErrorInfo(domain=status.DOMAIN, reason="x", metadata=metadata))
    back = status.from_rpc(Answer(Code.NOT_FOUND, "no", ((status.DETAILS, told.SerializeToString()),)))
    assert 0 < back.exit_code < 256
    assert "no" == back.message
