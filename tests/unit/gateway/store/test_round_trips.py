"""Whatever is stored is what is read again."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.gateway.store import Provider, Revision, Sandbox, Store, Token

SAME = settings(derandomize=True, deadline=None, database=None, max_examples=60)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
MAP = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3)
NUMBER = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**62)
PHASE = st.sampled_from(["PROVISIONING", "READY", "COMPLETED", "STOPPED", "ERROR"])
STATUS = st.sampled_from(["pending", "loaded", "failed", "superseded"])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all of them."""
    opened = Store.open(str(tmp_path_factory.mktemp("store") / "gateway" / "store.db"))
    yield opened
    opened.close()


SANDBOXES = st.builds(
    Sandbox,
    id=st.builds(lambda: uuid.uuid4().hex),
    workspace=st.just("default"),
    name=st.builds(lambda: uuid.uuid4().hex),
    labels=MAP,
    annotations=MAP,
    spec=st.binary(max_size=100),
    phase=PHASE,
    reason=TEXT,
    message=TEXT,
    run_id=st.none() | TEXT,
    exit_code=st.none() | st.integers(-(2**31), 2**31 - 1),
    workdir=st.none() | TEXT,
    policy_version=NUMBER,
    restarts=NUMBER,
    resource_version=COUNT,
    created=NUMBER,
    main_started=st.none() | NUMBER,
    request_id=st.just("") | st.builds(lambda: uuid.uuid4().hex),
)
REVISIONS = st.builds(Revision, st.just(""), NUMBER, TEXT, TEXT, STATUS, TEXT, NUMBER, st.none() | NUMBER, MAP)
PROVIDERS = st.builds(
    Provider,
    id=st.builds(lambda: uuid.uuid4().hex),
    workspace=st.just("default"),
    name=st.builds(lambda: uuid.uuid4().hex),
    type=TEXT,
    labels=MAP,
    credentials=MAP,
    config=MAP,
    expirations=st.dictionaries(st.text(max_size=5), NUMBER, max_size=3),
    resource_version=COUNT,
    created=NUMBER,
)


@SAME
@given(SANDBOXES, REVISIONS, MAP, TEXT)
def test_sandboxes(store, sandbox, revision, labels, message):
    """A sandbox, its revision, and a change of it."""
    revision = revision.replace(sandbox_id=sandbox.id)
    store.add_sandbox(sandbox, revision)
    assert (sandbox, revision) == (store.sandbox(sandbox.id), store.revision(sandbox.id, revision.version))
    expected = sandbox.replace(labels=labels, message=message, resource_version=sandbox.resource_version + 1)
    assert expected == store.update_sandbox(sandbox.id, labels=labels, message=message) == store.sandbox(sandbox.id)
    token = Token(uuid.uuid4().hex, sandbox.id, revision.created, sandbox.created, None)
    store.add_token(token)
    assert token == store.token(token.digest)


@SAME
@given(PROVIDERS)
def test_providers(store, provider):
    """A provider, credentials with all that Unicode has."""
    store.add_provider(provider)
    assert provider == store.provider("default", provider.name)
