"""What authors import: documented by examples that are run, and imported by nothing of the launch path."""

import doctest

import pyopenshell.contributor


def test_the_examples():
    """Every public name has one, and it says what comes of it."""
    runner = doctest.DocTestRunner()
    found = {test.name.rpartition(".")[2]: test for test in doctest.DocTestFinder().find(pyopenshell.contributor)}
    for test in found.values():
        runner.run(test)
    assert 0 == runner.summarize().failed
    assert {"Grant", "Identity", "Refusal", "Request"} <= {name for name, test in found.items() if test.examples}


def test_a_request_of_ones_own_needs_little():
    """Whoever tests a contributor names only what it looks at."""
    identity = pyopenshell.contributor.Identity(uid=1, gid=1, groups=(), home="/home/ada")
    request = pyopenshell.contributor.Request(name="it", command=(), workdir="/src", identity=identity)
    assert (None, (), {}) == (request.gpu, request.devices, request.policy)
