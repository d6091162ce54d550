"""CDI: names that do not resolve, and specs that are refused."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, POSSIBLE, Row

LIST = "See which names resolve: nvidia-ctk cdi list (or openshell gpu list)"
LINT = "Check the specs: openshell gpu lint"
GENERATE = "Write the spec again: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
READABLE = "Let everybody read it: sudo chmod a+r /etc/cdi/nvidia.yaml"

ROWS: tuple[Row, ...] = (
    Row(
        "cdi.unresolvable",
        ("unresolvable CDI devices",),
        "podman, CRI-O, the NVIDIA container runtime",
        "The engine has CDI, and no spec that it could load has a device of this name: there is no spec, it was"
        " refused or cannot be read, or it has other names.",
        (
            LIST,
            LINT,
            "Let podman say which spec it refuses: podman --log-level=debug run … 2>&1 | grep -i cdi",
            GENERATE,
            READABLE,
        ),
        "seen; NVIDIA/nvidia-container-toolkit#146",
        POSSIBLE,
        "unresolvable",
    ),
    Row(
        "docker.cdi-unresolvable",
        ("CDI device injection failed: unresolvable CDI devices",),
        "docker, containerd",
        "CDI is on, and no spec that the daemon could load has a device of this name. The daemon's log says why a spec"
        " was refused; the command's output does not.",
        (
            "See where the daemon looks and what it found: docker info (CDI spec directories, Discovered Devices)",
            "Read what it said about the specs: journalctl -u docker | grep -i cdi",
            LINT,
            GENERATE,
        ),
        "seen; moby/moby#47633",
        POSSIBLE,
        "unresolvable",
    ),
    Row(
        "k8s.cdi-unresolvable",
        ("failed to create containerd container: CDI device injection failed: unresolvable CDI devices",),
        "kubelet, containerd",
        "The device plugin allocated a GPU by an id that no CDI spec of that node has: the spec was made before the"
        " GPUs, their order or their MIG instances changed, or with another naming.",
        (
            "On the node of the pod, see which names resolve: nvidia-ctk cdi list",
            "Write the spec again on that node: sudo nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml",
            "With the GPU operator, restart its toolkit there instead: kubectl -n gpu-operator rollout restart"
            " daemonset nvidia-container-toolkit-daemonset",
        ),
        "seen; NVIDIA/nvidia-container-toolkit#1239",
        refine="unresolvable",
    ),
    Row(
        "cdi.syntax",
        ("failed to unmarshal CDI Spec: error converting YAML to JSON", "failed to parse CDI Spec … yaml: line"),
        "podman --log-level=debug, dockerd, containerd",
        "A spec is no valid YAML or JSON, so every device in it is missing.",
        (LINT, "Mend the line that is named, or write the spec again with the tool that made it"),
        "seen",
        CERTAIN,
    ),
    Row(
        "cdi.unknown-field",
        ("failed to unmarshal CDI Spec: error unmarshaling JSON: while decoding JSON: json: unknown field",),
        "podman --log-level=debug, dockerd, containerd",
        "A spec has a key that this engine does not know, so all of it is refused: a misspelling, or a spec made by a"
        " tool newer than the engine.",
        (
            LINT,
            "Upgrade the engine, or write the spec with a version of the toolkit from the engine's time",
            "Where only additionalGids is in the way, the engine is older than CDI 0.7: its lines can be deleted",
        ),
        "seen; NVIDIA/nvidia-container-toolkit#1860, NVIDIA/nvidia-container-toolkit#38",
        CERTAIN,
    ),
    Row(
        "cdi.invalid-version",
        ("invalid CDI Spec: invalid version",),
        "podman --log-level=debug, dockerd, containerd",
        "The spec's cdiVersion is one that this engine does not know: it is misspelled, or newer than the engine.",
        (LINT, "Write a released version that the engine knows, or upgrade the engine"),
        "seen",
        CERTAIN,
    ),
    Row(
        "cdi.version-too-old",
        ("the spec version must be at least v",),
        "podman --log-level=debug, dockerd, containerd",
        "The spec uses what its own cdiVersion does not have yet, so newer engines refuse it.",
        ("Raise cdiVersion to the version that the message names", LINT),
        "seen",
        CERTAIN,
        about=("CDI",),
    ),
    Row(
        "cdi.empty",
        ("failed to parse CDI Spec … no Spec data",),
        "podman --log-level=debug, dockerd, containerd",
        "A spec file is empty, most often because the command that was to write it failed.",
        ("Delete the file, or write it again and read what the command says", GENERATE),
        "seen",
        CERTAIN,
    ),
    Row(
        "cdi.bad-kind",
        (
            "invalid CDI Spec: invalid (empty) vendor name",
            "invalid CDI Spec: invalid vendor",
            "invalid CDI Spec: invalid class",
        ),
        "podman --log-level=debug, dockerd, containerd",
        "The spec's kind is not of the form vendor/class.",
        (LINT, "Write it as vendor/class, for example kind: nvidia.com/gpu"),
        "seen (empty vendor)",
        CERTAIN,
    ),
    Row(
        "cdi.conflict",
        ("conflicting device … (specs",),
        "podman --log-level=debug, dockerd, containerd",
        "Two specs in folders of the same rank define the same device, so it resolves to neither.",
        (
            "Delete one of the two files that are named: one tool's output was most often saved under two names",
            LINT,
        ),
        "seen",
        CERTAIN,
    ),
    Row(
        "cdi.empty-device",
        ("failed add device … invalid device, empty device edits", "invalid device, empty device edits"),
        "nvidia-ctk cdi generate, podman, containerd",
        "A device without containerEdits of its own makes the whole spec invalid. nvidia-ctk makes one where it finds"
        " a GPU and not its device node.",
        (
            "See whether the GPU's node is there: ls -l /dev/nvidia[0-9]*",
            "Where it is not: sudo nvidia-modprobe -c 0 -u (or nvidia-smi once as root)",
            GENERATE,
            "In a spec written by hand, delete the empty device",
        ),
        "seen; kaito-project/kaito#2326",
        CERTAIN,
    ),
    Row(
        "cdi.spec-device",
        ("invalid CDI Spec: failed add device",),
        "podman --log-level=debug, dockerd, containerd",
        "One device of a spec has a value that is not allowed (a variable without =, permissions other than r, w and"
        " m, a name with other characters), so the whole spec is refused.",
        (LINT, "Mend the device that is named"),
        "seen",
        CERTAIN,
    ),
    Row(
        "cdi.unreadable",
        ("failed to load CDI Spec: open … permission denied", "failed to load CDI Spec open … permission denied"),
        "podman --log-level=debug, rootless engines",
        "The engine may not read a spec: nvidia-ctk once wrote them for root only, and a rootless engine is not root.",
        (READABLE, "And the folders: sudo chmod a+rx /etc/cdi /var/run/cdi"),
        "NVIDIA/nvidia-container-toolkit#146 (the cause; the text is put together from the one for a dangling link)",
        CERTAIN,
    ),
    Row(
        "cdi.dangling-link",
        (
            "failed to load CDI Spec: open … no such file or directory",
            "failed to load CDI Spec open … no such file or directory",
        ),
        "podman --log-level=debug, dockerd, containerd",
        "A spec is a link to a file that is not there.",
        ("Delete the link, or put the file where it points", LINT),
        "seen",
        CERTAIN,
    ),
)
