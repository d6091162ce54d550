"""Every fault a CDI spec can have: its code, how grave it is, what it means and what mends it, as data.

docs/cdi.md holds the same table for readers; a test compares the two.
"""

from __future__ import annotations

from pyopenshell.devices.cdi.fault import ERROR, WARNING, Fault
from pyopenshell.record import Record


class Code(Record):
    """A kind of fault. ``mend`` says what to do where the fault itself knows nothing more exact."""

    code: str
    severity: str
    meaning: str
    mend: str


GENERATE = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
"""The command that writes the spec of NVIDIA's GPUs; as root."""
STDIN = "-"
"""The name of a spec that comes from standard input."""
AGAIN = f"generate the spec again: {GENERATE}"

_ROWS = (
    # Folders and files
    ("folder-missing", ERROR, "a folder of specs does not exist", f"write a spec into it: {GENERATE}"),
    ("folder-empty", ERROR, "a folder holds no spec", f"write a spec into it: {GENERATE}"),
    ("folder-unreadable", ERROR, "a folder cannot be listed", "chmod a+rx FOLDER"),
    (
        "ending",
        WARNING,
        "the name ends in neither .yaml nor .json: engines pass over the file",
        "rename it if it is a spec",
    ),
    ("dangling-link", ERROR, "a link leads to nothing", "restore what it leads to, or remove the link"),
    ("link-cycle", ERROR, "links lead to each other in a circle", "remove the links"),
    ("not-a-file", ERROR, "a folder, pipe, socket or device stands where a file should", "move it out of the folder"),
    ("unreadable", ERROR, "the file cannot be read by this user", "chmod a+r FILE"),
    ("mode", WARNING, "modes keep ordinary users out, and with them rootless engines", "chmod a+r FILE"),
    ("writable", WARNING, "others than root can write it, and so choose what containers get", "chmod go-w FILE"),
    ("too-large", ERROR, "too many bytes or values, those that aliases repeat among them", "split the spec"),
    # Text
    ("not-text", ERROR, "bytes that are not UTF-8, or control characters", "save the file as UTF-8 without them"),
    ("empty", ERROR, "nothing is in the file (engines: no Spec data)", AGAIN),
    ("syntax", ERROR, "neither YAML nor JSON", "correct the line"),
    ("duplicate-key", ERROR, "a key stands twice in one mapping", "keep one of them"),
    ("too-deep", ERROR, "nested deeper than any spec is", "nest it less deep"),
    ("alias", ERROR, "an alias without its anchor, or one that holds itself", "write the value out"),
    ("tag", ERROR, "a YAML tag other than !!str", "remove the tag"),
    ("several-documents", WARNING, "engines read only the first document of a file", "make a file of each"),
    # The spec's fields
    ("unknown-field", ERROR, "a field that CDI does not have", "remove it"),
    ("field-case", WARNING, "a field's name in other capitals than CDI's: not all engines take it", "write CDI's"),
    ("wrong-type", ERROR, "a value of another type than the field takes", "write a value of that type"),
    ("missing-field", ERROR, "a required field is missing or empty", "add it"),
    ("unquoted", WARNING, "text without quotes, which engines read as a number or a truth value", "put it in quotes"),
    ("invalid-version", ERROR, "cdiVersion is none of the released versions", "write a released version"),
    ("version-too-old", ERROR, "the spec uses what its version does not have", "raise cdiVersion"),
    ("version-too-new", ERROR, "the spec uses what its version no longer has", "remove it"),
    ("bad-kind", ERROR, "kind is not vendor/class", "write it as in nvidia.com/gpu"),
    ("bad-annotation", ERROR, "an annotation's key is not a name as Kubernetes has them", "rename it"),
    ("no-devices", ERROR, "the spec has no device", AGAIN),
    ("bad-device-name", ERROR, "a device's name breaks CDI's rules", "use letters, digits and, within, _ - . :"),
    ("name-permissions", WARNING, "a device's name ends like permissions (:rw)", "leave them to deviceNodes"),
    ("duplicate-device", ERROR, "two devices of the spec have one name", "rename or remove one"),
    ("empty-device", ERROR, "a device without container edits", f"remove the device, or {AGAIN}"),
    ("bad-env", ERROR, "an environment variable without a name and '='", "write NAME=VALUE"),
    ("bad-path", ERROR, "a path that is relative, too long or not printable", "write an absolute path"),
    ("bad-type", ERROR, "a device's type is none of c, b, u and p", "write one of them, or leave it out"),
    ("bad-number", ERROR, "a number out of the range that the field has", "correct it, or leave it out"),
    ("bad-permissions", ERROR, "permissions with other letters than r, w and m", "write some of rwm"),
    ("permissions-none", WARNING, "permissions: none, which only recent engines accept", "leave the device node out"),
    ("bad-hook-name", ERROR, "a hook for a stage that OCI runtimes do not have", "write createContainer or another"),
    ("bad-timeout", WARNING, "a hook's timeout is not above zero", "write a number of seconds, or leave it out"),
    ("bad-intel-rdt", ERROR, "intelRdt.closID cannot be the name of a folder", "write a name without /"),
    ("bad-net-device", ERROR, "a network device that is named twice", "keep one of them"),
    ("too-many-faults", ERROR, "more faults in one file than are shown", "correct those above first"),
    # Specs beside each other
    ("conflict", ERROR, "two specs of one folder have the same device: no engine resolves it", "keep one of them"),
    ("shadowed", WARNING, "a spec of a later folder replaces devices of this one", "keep the newer file alone"),
    # The spec against this host
    (
        "node-missing",
        ERROR,
        "a device node that is not on this host",
        f"load the driver's module, or {AGAIN}",
    ),
    ("node-type", ERROR, "not a device node, or one of another type than the spec says", AGAIN),
    ("node-number", ERROR, "a device node with other numbers than the spec says", AGAIN),
    ("mount-missing", ERROR, "a file to be mounted that is not on this host", AGAIN),
    ("hook-missing", ERROR, "a hook's program that is not on this host", f"install it, or {AGAIN}"),
    ("hook-not-executable", ERROR, "a hook's program that cannot be executed", "chmod a+rx PROGRAM"),
    ("driver-version", ERROR, "the spec is for another version of the driver than runs", AGAIN),
    ("uncovered", WARNING, "a device node of this host's GPUs that no spec names", AGAIN),
)

CODES: dict[str, Code] = {f"cdi.{name}": Code(f"cdi.{name}", *rest) for name, *rest in _ROWS}
"""All codes, in the order of the documentation."""


def fault(
    code: str,
    message: str,
    mend: str | None = None,
    *,
    file: str | None = None,
    line: int | None = None,
    column: int | None = None,
) -> Fault:
    """Return the fault with this code (without ``cdi.``), its severity and mend taken from the table."""
    row = CODES[f"cdi.{code}"]
    return Fault(row.code, row.severity, message, mend or row.mend, file, line, column)
