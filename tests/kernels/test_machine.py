"""Lines of a file that grows, and an emulator that fails."""

import io
from threading import Event

from tests.kernels.machine import Boot, Emulator, Lines, boot


def test_lines_are_passed_on_whole():
    """What is half written waits for its end."""
    file = io.StringIO()
    seen: list[str] = []
    lines = Lines(file)

    def write(text):
        place = file.tell()
        file.write(text)
        file.seek(place)
        lines.pass_on(seen.append)

    write("one\ntw")
    assert ["one"] == seen
    write("o\nthree")
    assert ["one", "two"] == seen


def wanted(folder):
    return Boot(folder / "vmlinuz", folder / "image", "", folder / "told", folder / "console")


def asleep():
    return Emulator(("sh", "-c", "exec sleep 60"), has_kvm=False)


def test_an_emulator_that_fails(tmp_path):
    """Its last words are kept."""
    broken = Emulator(("sh", "-c", "echo no such machine >&2; exit 3"), has_kvm=False)
    assert "the emulator ended with 3: no such machine" == boot(broken, wanted(tmp_path), 60, print, Event())


def test_an_emulator_that_never_ends(tmp_path):
    """It is ended when its time is up."""
    assert "still running after 0 s" == boot(asleep(), wanted(tmp_path), 0, print, Event())


def test_an_interrupted_run(tmp_path):
    """The emulator does not outlive it."""
    stop = Event()
    stop.set()
    assert "interrupted" == boot(asleep(), wanted(tmp_path), 60, print, stop)
