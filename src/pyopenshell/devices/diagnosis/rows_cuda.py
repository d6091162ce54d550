"""CUDA's errors, as programs print them."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, Row

ROWS: tuple[Row, ...] = (
    Row(
        "cuda.304",
        (
            "OS call failed or operation not supported on this OS",
            "CUDA_ERROR_OPERATING_SYSTEM",
            "cudaErrorOperatingSystem",
        ),
        "CUDA (304)",
        "The driver's library had a system call denied that it does not do without: most often writing the names of"
        " its own threads under /proc, an ioctl or a device node (nvidia-uvm-tools), memfd_create, or a /proc that"
        " cannot be read. nvidia-smi works all the same: it is NVML, not CUDA.",
        (
            "In a sandbox of ours, see what fails: openshell run --gpu … -- openshell gpu probe",
            "and what was granted: openshell run --gpu … --explain -- PROGRAM; runtime.cuda_thread_names must not be"
            " off",
            "In another sandbox or container, try without its filter: --security-opt seccomp=unconfined, then find the"
            " call: strace -f -e trace=file,ioctl,memfd_create PROGRAM",
            "See that the nodes are all there: ls -l /dev/nvidia-uvm /dev/nvidia-uvm-tools",
        ),
        "NVIDIA/OpenShell#710, NVIDIA/OpenShell#1696, microsoft/onnxruntime#20421, numba/numba#9134",
        LIKELY,
        "node",
    ),
    Row(
        "cuda.802",
        (
            "802: system not yet initialized",
            "(802) : system not yet initialized",
            "802 'system not yet initialized'",
            "CUDA_ERROR_SYSTEM_NOT_READY",
            "cudaErrorSystemNotReady",
        ),
        "CUDA (802)",
        "The GPUs of this machine are joined by NVSwitch, and the Fabric Manager that sets it up does not run, has not"
        " finished, or has another version than the driver.",
        (
            "See: systemctl status nvidia-fabricmanager; nvidia-smi -q | grep -A3 Fabric (State must be Completed)",
            "Install the package nvidia-fabricmanager of exactly the driver's version: cat /proc/driver/nvidia/version",
            "Start it: sudo systemctl enable --now nvidia-fabricmanager",
        ),
        "pytorch/pytorch#35710, jax-ml/jax#34113, hiyouga/LlamaFactory#8968",
        CERTAIN,
    ),
    Row(
        "cuda.803",
        ("system has unsupported display driver / cuda driver combination", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
        "CUDA (803)",
        "The program loads a libcuda.so of another version than the kernel module's: an old one is found first (in the"
        " image, /usr/local/cuda/compat, LD_LIBRARY_PATH), or the driver was upgraded without a reboot.",
        (
            "See which is loaded: LD_DEBUG=libs PROGRAM 2>&1 | grep libcuda; cat /proc/driver/nvidia/version",
            "Take compat folders out of LD_LIBRARY_PATH, and libcuda.so* out of the image",
            "Reboot where the driver was upgraded; write the CDI spec again",
        ),
        "NVIDIA/nvidia-docker#1256, llm-d/llm-d#706",
        CERTAIN,
    ),
    Row(
        "cuda.804",
        ("forward compatibility was attempted on non supported HW", "cudaErrorCompatNotSupportedOnDevice"),
        "CUDA (804)",
        "The program loads CUDA's forward-compatibility libcuda.so, which works on data-centre GPUs only; it is in the"
        " image for drivers older than the image.",
        (
            "Upgrade the host's driver, so that it is not needed",
            "Take /usr/local/cuda*/compat out of LD_LIBRARY_PATH and of /etc/ld.so.conf.d",
            "Or take an image for an older CUDA",
        ),
        "SYSTRAN/faster-whisper#653, rapidsai/cusignal#398",
        CERTAIN,
    ),
    Row(
        "cuda.805",
        (
            "MPS client failed to connect to the MPS control daemon or the MPS server",
            "CUDA_ERROR_MPS_CONNECTION_FAILED",
        ),
        "CUDA (805)",
        "CUDA finds an MPS pipe folder and no daemon behind it: the daemon died, or runs outside of this container or"
        " sandbox.",
        (
            "See whether it runs: pgrep -a nvidia-cuda-mps",
            "Start it: nvidia-cuda-mps-control -d; or go without: unset CUDA_MPS_PIPE_DIRECTORY, rm -r /tmp/nvidia-mps",
            "In a container: --ipc=host and a volume on the pipe folder (/tmp/nvidia-mps)",
        ),
        "NVIDIA/nvidia-container-toolkit#714, nanoporetech/dorado#458",
        CERTAIN,
    ),
    Row(
        "cuda.35",
        (
            "CUDA driver version is insufficient for CUDA runtime version",
            "cudaErrorInsufficientDriver",
            "The NVIDIA driver on your system is too old",
        ),
        "CUDA (35), PyTorch",
        "The driver is older than the CUDA that the program was built with. In a container without any GPU libraries"
        " the same text appears: then no GPU was asked for.",
        (
            "See what the driver can do: nvidia-smi (CUDA Version, top right)",
            "In a container where nvidia-smi is missing: start it with --gpus all or --device nvidia.com/gpu=all",
            "Upgrade the driver, or install a build for an older CUDA",
        ),
        "NVIDIA/nvidia-docker#400, NVIDIA/cudf#328, lllyasviel/Fooocus#1313",
        LIKELY,
    ),
    Row(
        "cuda.100",
        ("no CUDA-capable device is detected", "CUDA_ERROR_NO_DEVICE", "No CUDA GPUs are available"),
        "CUDA (100), PyTorch, TensorFlow",
        "CUDA runs and sees no GPU: CUDA_VISIBLE_DEVICES names none that exists here, or the node of the GPU"
        " (/dev/nvidia0) was not given to this container or sandbox.",
        (
            'See what it is told: echo "$CUDA_VISIBLE_DEVICES" "$NVIDIA_VISIBLE_DEVICES" (in code: os.environ)',
            "See what is here: nvidia-smi -L; ls -l /dev/nvidia*",
            "In a sandbox of ours: openshell run --gpu …; openshell gpu list names what there is",
        ),
        "tensorflow/tensorflow#62494, tensorflow/tensorflow#44869, xianlin7/SAMUS#39",
        LIKELY,
        "driver",
    ),
    Row(
        "cuda.101",
        ("invalid device ordinal",),
        "CUDA (101), PyTorch",
        "The program asks for a GPU by a number that it does not have: numbers count from 0 among the visible ones,"
        " whatever the host calls them.",
        (
            "See how many there are: nvidia-smi -L; echo $CUDA_VISIBLE_DEVICES",
            "Start as many processes as there are GPUs (torchrun --nproc-per-node), or ask for more GPUs",
        ),
        "pytorch/pytorch#29516, yandex-research/tab-ddpm#20",
        CERTAIN,
    ),
    Row(
        "cuda.999",
        (
            "CUDA unknown error - this may be due to an incorrectly set up environment",
            "(999) : unknown error",
            "error=999 : unknown error",
            "Error 999: unknown error",
            "CUDA_ERROR_UNKNOWN",
        ),
        "CUDA (999), PyTorch",
        "nvidia-uvm does not serve: its module is not loaded or its node missing, it broke over a suspend, or"
        " CUDA_VISIBLE_DEVICES was changed in a program that had started CUDA.",
        (
            "Load module and node: sudo nvidia-modprobe -c 0 -u",
            "After a suspend: sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm (nothing may be using CUDA)",
            "In code, set CUDA_VISIBLE_DEVICES before CUDA is first used",
            "Where it stays, reboot",
        ),
        "pytorch/pytorch#88639, pytorch/pytorch#31179, mumax/3#167",
        LIKELY,
        "node",
    ),
    Row(
        "cuda.46",
        (
            "CUDA-capable device(s) is/are busy or unavailable",
            "all CUDA-capable devices are busy or unavailable",
            "CUDA_ERROR_DEVICE_UNAVAILABLE",
        ),
        "CUDA (46), PyTorch",
        "The GPU is there and gives no context: it is in exclusive mode and another process has it, its MIG mode is on"
        " without instances, or a vGPU has no licence.",
        (
            "See mode and users: nvidia-smi -q -d COMPUTE; nvidia-smi",
            "Let several in: sudo nvidia-smi -c DEFAULT",
            "See instances: nvidia-smi -L; with MIG on, name one: CUDA_VISIBLE_DEVICES=MIG-…",
        ),
        "pytorch/pytorch#100691, pytorch/pytorch#2704",
    ),
    Row(
        "cuda.no-kernel-image",
        (
            "no kernel image is available for execution on the device",
            "is not compatible with the current PyTorch installation",
        ),
        "CUDA (209), PyTorch",
        "The program has no code for this GPU: it was built before the GPU came out, or no longer for one so old.",
        (
            "Compare: nvidia-smi --query-gpu=name,compute_cap --format=csv; python -c 'import torch;"
            " print(torch.cuda.get_arch_list())'",
            "Install a build whose list has it: a newer one for a new GPU, one for an older CUDA for an old GPU",
        ),
        "pytorch/pytorch#31285, pytorch/pytorch#167244",
        CERTAIN,
    ),
    Row(
        "cuda.out-of-memory",
        ("CUDA out of memory. Tried to allocate", "CUDA_ERROR_OUT_OF_MEMORY"),
        "CUDA (2), PyTorch",
        "The GPU's memory is used up, by this program or by others on the same GPU.",
        (
            "See who has it: nvidia-smi",
            "Make it need less: a smaller batch, lower precision; where much is reserved and not allocated:"
            " PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
            "End what is left of earlier runs",
        ),
        "pytorch/pytorch#16417",
        CERTAIN,
    ),
)
