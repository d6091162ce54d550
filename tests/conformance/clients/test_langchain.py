"""langchain-nvidia-openshell: Deep Agents' tools over the SDK, under the newer Debian's Python."""

import pytest

from tests.conformance.clients.environments import ENVIRONMENTS

LANGCHAIN = ENVIRONMENTS["langchain"]
EXPECTED = {
    "identity": True,
    "command": ["out\nerr\n", 3, False],
    "script": ["line 1\nline 2\nline 3\n", 4],
    "timeout": 124,
    "truncated": [1 << 20, True, 0],
    "unknown": 127,
    "uploaded_and_downloaded": [None, True, None, True],
    "failures": [
        ["permission_denied", "invalid_path"],
        ["file_not_found", "is_directory", "invalid_path", True],
    ],
    "files": [
        None,
        [None, 1],
        ["line 6", "line seven", "line 8"],
        ["deep", "notes.txt"],
        [[7, "line seven"]],
        ["notes.txt"],
    ],
}


@pytest.fixture(scope="module")
def told(gateway, open_place):
    """What came of the script, run once."""
    secret = open_place / "secret"
    secret.write_text("secret\n")
    return gateway.client(LANGCHAIN, "langchain_backend.py", secret=secret)


@pytest.mark.parametrize("name", EXPECTED)
def test_langchain(told, name):
    """Each check of scripts/langchain_backend.py."""
    assert EXPECTED[name] == told[name]["value"], told[name]["error"]
