"""PyTorch and NCCL: what programs say by themselves, and what several processes need beside the GPU."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, POSSIBLE, Row

SHM = "Give it more: docker run --shm-size=8g (or --ipc=host); in Kubernetes an emptyDir of medium Memory at /dev/shm"

ROWS: tuple[Row, ...] = (
    Row(
        "cuda.forked",
        ("Cannot re-initialize CUDA in forked subprocess",),
        "PyTorch",
        "CUDA was started before the process forked, and does not survive that.",
        (
            "Use spawn: torch.multiprocessing.set_start_method('spawn'), before CUDA is used",
            "Or use CUDA only in the children (a DataLoader's workers stay on the CPU)",
        ),
        "facebookresearch/pycls#183, traveller59/spconv#408",
        CERTAIN,
    ),
    Row(
        "cuda.no-libcuda",
        ("libcuda.so.1: cannot open shared object file", "failed call to cuInit: UNKNOWN ERROR (303)"),
        "the dynamic linker, TensorFlow (303)",
        "The driver's libcuda.so.1 is not where the dynamic linker looks: the container was started without a GPU, the"
        " driver is not installed, or its folder is not in the linker's cache (WSL2: /usr/lib/wsl/lib).",
        (
            "See: ldconfig -p | grep libcuda",
            "Start the container with --gpus all or --device nvidia.com/gpu=all; nothing of the driver belongs into"
            " the image",
            "In a sandbox of ours: openshell run --gpu …; a CDI hook that would run ldconfig is not run, so the folder"
            " of the driver's libraries must be in LD_LIBRARY_PATH where it is not a standard one",
        ),
        "pytorch/pytorch#3221, cvat-ai/cvat#406, mljar/mljar-supervised#107",
        LIKELY,
        "driver",
    ),
    Row(
        "torch.init-failed",
        ("CUDA driver initialization failed, you might not have a CUDA gpu",),
        "PyTorch (CUDA 3)",
        "The driver's library was found and would not start (CUDA's error 3): the kernel module does not answer, a"
        " device node cannot be opened, or the process was forked after CUDA had started.",
        (
            "See whether the driver answers: nvidia-smi; ls -l /dev/nvidia*",
            "Load module and nodes: sudo nvidia-modprobe -c 0 -u",
            "In a sandbox of ours: openshell run --gpu … -- openshell gpu probe",
            "Try it alone, without workers: python -c 'import torch; print(torch.cuda.device_count())'",
        ),
        "pytorch/pytorch#131117, facebookresearch/detectron2#2847",
        LIKELY,
        "driver",
    ),
    Row(
        "torch.no-driver",
        ("Found no NVIDIA driver on your system",),
        "PyTorch",
        "PyTorch was built for CUDA and there is no driver here: no GPU was given to the container, or the host has"
        " none.",
        (
            "On the host: nvidia-smi",
            "Start the container with --gpus all or --device nvidia.com/gpu=all",
            "To go without: CUDA_VISIBLE_DEVICES= and device cpu in the program",
        ),
        "facebookresearch/detectron2#3104, googlecolab/colabtools#5136",
        LIKELY,
        "driver",
    ),
    Row(
        "image.no-driver",
        ("The NVIDIA Driver was not detected. GPU functionality will not be available",),
        "the start script of NVIDIA's images",
        "The container was started without a GPU: none was asked for, or the engine did not know how. Under WSL2 older"
        " images say so though the GPU works.",
        (
            "Start the container with --gpus all or --device nvidia.com/gpu=all",
            "See that the host's own driver answers: nvidia-smi",
            "Under WSL2, try CUDA before anything else: openshell gpu probe",
        ),
        "NVIDIA/nvidia-docker#1071, NVIDIA/nvidia-docker#1583, NVIDIA/nvidia-docker#1548",
        LIKELY,
        "driver",
    ),
    Row(
        "torch.cpu-build",
        ("Torch not compiled with CUDA enabled",),
        "PyTorch",
        "The PyTorch that is installed is one for CPUs. Driver and container are not the reason.",
        (
            "See: python -c 'import torch; print(torch.__version__, torch.version.cuda)'",
            "Install one for CUDA: pip install --force-reinstall torch --index-url"
            " https://download.pytorch.org/whl/cu126 (the number as the driver can do)",
        ),
        "pytorch/pytorch#28111, facebookresearch/detectron2#460",
        CERTAIN,
    ),
    Row(
        "shm.loader",
        (
            "This might be caused by insufficient shared memory (shm)",
            "DataLoader worker (pid … is killed by signal: Bus error",
        ),
        "PyTorch",
        "The workers of a DataLoader pass batches through /dev/shm, and it is full; a container's has 64 MB.",
        (
            "See its size: df -h /dev/shm",
            SHM,
            "Or fewer workers (num_workers=0 needs none)",
        ),
        "pytorch/pytorch#5040, facebookresearch/mmf#441",
        CERTAIN,
    ),
    Row(
        "shm.nccl",
        (
            "NCCL WARN Error while creating shared memory segment",
            "Error while creating shared memory segment /dev/shm/nccl-",
            "NCCL WARN Error: failed to extend /dev/shm/nccl-",
            "NCCL WARN Call to posix_fallocate failed",
        ),
        "NCCL",
        "NCCL cannot make its buffers in /dev/shm: it is too small (a container's has 64 MB), full of what earlier"
        " runs left, or may not be written.",
        (
            "See: df -h /dev/shm; ls -l /dev/shm/nccl-*",
            SHM,
            "Remove what is left when nothing runs: rm /dev/shm/nccl-*",
            "To go without, slower: NCCL_SHM_DISABLE=1",
        ),
        "NVIDIA/nccl#525, NVIDIA/nccl#290, pytorch/ci-infra#490",
        CERTAIN,
    ),
    Row(
        "shm.nccl-attach",
        ("Error while attaching to shared memory segment /dev/shm/nccl",),
        "NCCL",
        "One process made a buffer in its /dev/shm and another does not find it there: they are in containers or"
        " sandboxes of their own on the same machine, which NCCL takes for one.",
        (
            "Run them in one container or sandbox, or give all the same /dev/shm (--ipc=host)",
            "Or go without: NCCL_SHM_DISABLE=1",
            "Where they are together, use another release of NCCL: some lost the file's name",
        ),
        "NVIDIA/nccl#1589, vllm-project/vllm#18831",
        POSSIBLE,
    ),
)
