"""One bad spec for each code of fault: what is in the file, or how to bring a folder into that state."""

import os
import socket

GOOD = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/null
"""


def spec(edits="env: [A=1]", *, version="1.1.0", kind="nvidia.com/gpu", name='"0"', more=""):
    """Return a spec whose only device has these edits; they stand on line 5, ``more`` on line 6."""
    head = f"cdiVersion: {version}\nkind: {kind}\ndevices:\n- name: {name}\n"
    return f"{head}  containerEdits: {{{edits}}}\n{more}"


TEXTS = {
    "cdi.too-large": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
        7,
    ),
    "cdi.not-text": (b"cdiVersion: 0.5.0\nkind: \xff\xfe\n", 2),
    "cdi.empty": ("# nothing\n", None),
    "cdi.syntax": ("cdiVersion: 0.5.0\nkind: a: b\n", 2),
    "cdi.duplicate-key": (spec(more="kind: a.com/b\n"), 6),
    "cdi.too-deep": ("a: " + "[" * 40 + "]" * 40, 1),
    "cdi.alias": (spec("env: *nothing"), 5),
    "cdi.tag": (spec("env: [!!binary QQ==]"), 5),
    "cdi.several-documents": (spec(more="---\n"), 6),
    "cdi.unknown-field": (spec("deviceNoodles: []"), 5),
    "cdi.field-case": (spec("additionalGIDs: [44]"), 5),
    "cdi.wrong-type": (spec("env: A=1"), 5),
    "cdi.missing-field": (spec("mounts: [{hostPath: /etc/hosts}]"), 5),
    "cdi.unquoted": (spec(name="0x10"), 4),
    "cdi.invalid-version": (spec(version="9.9.0"), 1),
    "cdi.version-too-old": (
        spec("deviceNodes: [{path: /dev/null, hostPath: /dev/zero}]", version="0.4.0", name="a"),
        5,
    ),
    "cdi.version-too-new": (spec("intelRdt: {enableCMT: true}"), 5),
    "cdi.bad-kind": (spec(kind="gpu"), 2),
    "cdi.bad-annotation": (spec(more="annotations: {a b: c}\n"), 6),
    "cdi.no-devices": ("cdiVersion: 0.5.0\nkind: a.com/b\ndevices: []\n", 3),
    "cdi.bad-device-name": (spec(name="nvidia.com/gpu=0"), 4),
    "cdi.name-permissions": (spec(name='"0:rw"'), 4),
    "cdi.duplicate-device": (spec(more='- name: "0"\n  containerEdits: {env: [A=1]}\n'), 6),
    "cdi.empty-device": (spec(""), 4),
    "cdi.bad-env": (spec("env: [=1]"), 5),
    "cdi.bad-path": (spec("deviceNodes: [{path: dev/null}]"), 5),
    "cdi.bad-type": (spec("deviceNodes: [{path: /dev/null, type: char}]"), 5),
    "cdi.bad-number": (spec("deviceNodes: [{path: /dev/null, major: -1}]"), 5),
    "cdi.bad-permissions": (spec("deviceNodes: [{path: /dev/null, permissions: rwx}]"), 5),
    "cdi.permissions-none": (spec("deviceNodes: [{path: /dev/null, permissions: none}]"), 5),
    "cdi.bad-hook-name": (spec("hooks: [{hookName: createContainers, path: /bin/true}]"), 5),
    "cdi.bad-timeout": (spec("hooks: [{hookName: prestart, path: /bin/true, timeout: 0}]"), 5),
    "cdi.bad-intel-rdt": (spec("intelRdt: {closID: a/b}"), 5),
    "cdi.bad-net-device": (spec("netDevices: [{hostInterfaceName: a, name: b}, {hostInterfaceName: a, name: c}]"), 5),
    "cdi.too-many-faults": (spec("env: [" + "a," * 101 + "]"), None),
    "cdi.node-missing": (spec("deviceNodes: [{path: /dev/no-such-device}]"), 5),
    "cdi.node-type": (spec("deviceNodes: [{path: /etc/hosts}]"), 5),
    "cdi.node-number": (spec("deviceNodes: [{path: /dev/null, type: c, major: 195, minor: 3}]"), 5),
    "cdi.mount-missing": (spec("mounts: [{hostPath: /no/such, containerPath: /x}]"), 5),
    "cdi.hook-missing": (spec("hooks: [{hookName: prestart, path: /no/such}]"), 5),
    "cdi.hook-not-executable": (spec("hooks: [{hookName: prestart, path: /etc/passwd}]"), 5),
    "cdi.driver-version": (spec("mounts: [{hostPath: /usr/lib/libcuda.so.550.54.15, containerPath: /x}]"), 5),
    "cdi.uncovered": (GOOD, None),
}
"""By code: the text of a spec, and the line of the fault."""


def _link(folder, target):
    os.symlink(target, folder / "a.yaml")


def _write(folder, *, name="a.yaml", mode=0o644):
    path = folder / name
    path.write_text(GOOD)
    path.chmod(mode)
    return path


def _socket(folder):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "a.json"))


def _both(folder):
    _write(folder)
    _write(folder, name="b.yaml")


def _later(folder):
    _write(folder)
    later = folder.parent / "later"
    later.mkdir()
    _write(later)


STATES = {
    "cdi.folder-missing": lambda folder: folder.rmdir(),
    "cdi.folder-empty": lambda _folder: None,
    "cdi.folder-unreadable": lambda folder: (folder.rmdir(), folder.write_text("")),
    "cdi.ending": lambda folder: _write(folder, name="a.yml"),
    "cdi.dangling-link": lambda folder: _link(folder, "gone.yaml"),
    "cdi.link-cycle": lambda folder: _link(folder, "a.yaml"),
    "cdi.not-a-file": _socket,
    "cdi.unreadable": lambda folder: _link(folder, "x" * 300),
    "cdi.mode": lambda folder: _write(folder, mode=0o600),
    "cdi.writable": lambda folder: _write(folder, mode=0o664),
    "cdi.conflict": _both,
    "cdi.shadowed": _later,
}
"""By code: what brings an empty folder into that state. ``cdi.shadowed`` makes a second one, ``later``."""
