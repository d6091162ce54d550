"""``nvidia-container-cli``, the toolkit's older way into a container: it fails before the container's program runs."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, POSSIBLE, Row

TOOL = "nvidia-container-cli"
USE_CDI = (
    "Or go by CDI, which does without this step: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml,"
    " then --device nvidia.com/gpu=all"
)

ROWS: tuple[Row, ...] = (
    Row(
        "toolkit.library-missing",
        ("initialization error: load library failed: libnvidia-ml.so", "load library failed: libcuda.so"),
        TOOL,
        "The host has no user-space part of the driver, or the dynamic linker's cache does not have it.",
        (
            "See whether it is there: ldconfig -p | grep -e libnvidia-ml -e libcuda",
            "Install the driver's libraries, of the version that runs: cat /proc/driver/nvidia/version",
            "Refresh the cache: sudo ldconfig",
            "With Docker Desktop or a snap of Docker the daemon sees other files than you: use the distribution's or"
            " Docker's own package",
        ),
        "seen; NVIDIA/libnvidia-container#231, NVIDIA/nvidia-container-toolkit#154",
        CERTAIN,
        "driver",
    ),
    Row(
        "toolkit.requirement",
        ("requirement error: unsatisfied condition",),
        TOOL,
        "The image says which CUDA or driver it needs, and the host's driver is older.",
        (
            "See the newest CUDA that the driver can do: nvidia-smi (top right)",
            "Upgrade the driver, or take an image made for an older CUDA",
            "Where the driver is known to do (forward compatibility): -e NVIDIA_DISABLE_REQUIRE=true",
        ),
        "NVIDIA/nvidia-container-toolkit#152",
        CERTAIN,
    ),
    Row(
        "toolkit.unknown-device",
        ("device error: … : unknown device",),
        TOOL,
        "The GPU that was asked for by index or UUID is not there: more GPUs were asked for than there are, a job's"
        " scheduler numbered them anew, or a MIG instance was made again and has another UUID.",
        (
            "See what there is: nvidia-smi -L",
            "In a Slurm job the host's numbers are in SLURM_STEP_GPUS or SLURM_JOB_GPUS; CUDA_VISIBLE_DEVICES counts"
            " from 0 in each job",
            "Ask for one that exists: --gpus '\"device=0\"', or NVIDIA_VISIBLE_DEVICES=UUID",
        ),
        "NVIDIA/nvidia-docker#1283, NVIDIA/nvidia-container-toolkit#203",
        CERTAIN,
        about=("nvidia",),
    ),
    Row(
        "toolkit.cgroup-rules",
        (
            "bpf_prog_query(BPF_CGROUP_DEVICE) failed",
            "failed to add device rules:",
            "mount error: open failed: … devices.allow: permission denied",
            "mount error: write error: … devices.allow: operation not permitted",
        ),
        TOOL,
        "The tool may not set device rules of this control group: a rootless engine, a container within a container,"
        " or a libnvidia-container too old for this kernel's control groups v2.",
        (
            "Upgrade nvidia-container-toolkit and libnvidia-container: new ones leave the rules to the engine",
            USE_CDI,
            "Only where all engines of the host are rootless: sudo nvidia-ctk config --in-place --set"
            " nvidia-container-cli.no-cgroups=true (containers of rootful engines lose their GPUs by it)",
        ),
        "NVIDIA/nvidia-container-toolkit#139, NVIDIA/libnvidia-container#154, NVIDIA/libnvidia-container#209,"
        " NVIDIA/nvidia-docker#1155, moby/moby#38729, NVIDIA/nvidia-docker#1146, NVIDIA/nvidia-container-toolkit#85",
        CERTAIN,
    ),
    Row(
        "toolkit.cgroup-v1-missing",
        ("container error: cgroup subsystem devices not found",),
        TOOL,
        "This libnvidia-container is older than 1.8 and knows only control groups v1; the host has v2.",
        (
            "Upgrade nvidia-container-toolkit and libnvidia-container",
            USE_CDI,
            "As a last resort boot with systemd.unified_cgroup_hierarchy=0",
        ),
        "NVIDIA/nvidia-docker#1447, NVIDIA/nvidia-docker#1660",
        CERTAIN,
    ),
    Row(
        "toolkit.cuda-error",
        ("initialization error: cuda error: unknown error",),
        TOOL,
        "CUDA does not start on the host itself: nvidia-uvm is not loaded, or the driver is in a bad state (as after a"
        " suspend).",
        (
            "Load it: sudo nvidia-modprobe -c 0 -u",
            "Or anew: sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm",
            "Where that does not help, reboot",
        ),
        "NVIDIA/nvidia-docker#685, NVIDIA/nvidia-docker#1012",
        refine="driver",
    ),
    Row(
        "toolkit.ldconfig-path",
        ("ldcache error: open failed:",),
        TOOL,
        "The toolkit is told to run the host's ldconfig by a path that this distribution does not have (Debian's and"
        " Ubuntu's /sbin/ldconfig.real, others' /sbin/ldconfig).",
        (
            "See which there is: ls /sbin/ldconfig /sbin/ldconfig.real",
            'Set it in /etc/nvidia-container-runtime/config.toml: ldconfig = "@/sbin/ldconfig"',
        ),
        "hekmak/Conf-net#5, NVIDIA/nvidia-docker#587",
        CERTAIN,
    ),
    Row(
        "toolkit.ldconfig-failed",
        ("ldcache error: process … failed with error code", "ldcache error: process … terminated with signal"),
        TOOL,
        "The host's ldconfig ran in the container and failed or was killed: it is older or newer than the image's C"
        " library can stand, or a limit or filter stopped it.",
        (
            "Try another image: a plain ubuntu with nvidia-smi",
            "Upgrade nvidia-container-toolkit",
            USE_CDI,
        ),
        "NVIDIA/nvidia-container-toolkit#147, NVIDIA/k8s-device-plugin#1400, NVIDIA/nvidia-docker#1456",
        POSSIBLE,
    ),
    Row(
        "toolkit.file-exists",
        ("mount error: file creation failed: … file exists",),
        TOOL,
        "The image contains a library of the driver (libcuda.so.1, libnvidia-ml.so.1) where the host's is to be"
        " mounted: it was saved from a container with a GPU, or has the driver installed. On WSL2 these are links,"
        " which cannot be mounted over.",
        (
            "See what the image has: docker run --rm --entrypoint sh IMAGE -c 'ls -l /usr/lib/*/libcuda.so*"
            " /usr/lib/*/libnvidia-*'",
            "Build the image again without the driver: remove these files in its Dockerfile, as the last step",
        ),
        "NVIDIA/nvidia-container-toolkit#289, NVIDIA/nvidia-docker#1551",
        CERTAIN,
        about=("nvidia", "libcuda"),
    ),
    Row(
        "toolkit.mount-denied",
        ("mount error: mount operation failed: … operation not permitted",),
        TOOL,
        "The tool may not mount a file of the driver into the container: an unprivileged engine on a kernel or file"
        " system (NFS, an older overlay) that does not allow it.",
        (
            "Keep the container's files on a local disk",
            "See what is denied: dmesg | tail; ausearch -m avc -ts recent",
            USE_CDI,
        ),
        "NVIDIA/enroot#111",
        POSSIBLE,
        about=("nvidia",),
    ),
    Row(
        "toolkit.stale-cache",
        ("detection error: open failed: … no such file or directory",),
        TOOL,
        "The dynamic linker's cache lists a library of the driver that is not there any more, or the daemon sees other"
        " files than you (Docker Desktop, a snap).",
        ("Refresh the cache: sudo ldconfig", "See what the daemon is: docker context ls; snap list docker"),
        "NVIDIA/nvidia-docker#1663",
        about=("nvidia",),
    ),
    Row(
        "toolkit.compat-missing",
        ("mount error: stat failed: … compat/libcuda.so",),
        TOOL,
        "The image brings CUDA's forward-compatibility libraries, of which one is a link to a file that is not there.",
        ("Take the image anew; where it is your own, copy /usr/local/cuda*/compat with all its files",),
        "NVIDIA/nvidia-container-runtime#136",
    ),
)
