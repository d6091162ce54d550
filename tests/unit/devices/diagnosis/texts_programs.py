"""What the toolkit, drivers, CUDA, other programs and Slurm say."""

from __future__ import annotations

from tests.unit.devices.diagnosis.prefixes import HOOK, TORCH

SAMPLES: dict[str, tuple[str, ...]] = {
    "toolkit.library-missing": (
        HOOK + "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared"
        " object file: no such file or directory: unknown.\n",
        HOOK
        + "nvidia-container-cli: initialization error: load library failed: libcuda.so.1: cannot open shared object"
        " file: no such file or directory: unknown.\n",
    ),
    "toolkit.requirement": (
        HOOK
        + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a"
        " newer version, or use an earlier cuda container: unknown\n",
    ),
    "toolkit.unknown-device": (
        HOOK + "nvidia-container-cli: device error: 1: unknown device: unknown.\n",
        "nvidia-container-cli.real: device error: MIG-GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39/1/0: unknown device\n",
    ),
    "toolkit.cgroup-rules": (
        HOOK
        + "nvidia-container-cli: mount error: failed to add device rules: unable to find any existing device filters"
        " attached to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: unknown.\n",
        HOOK
        + "nvidia-container-cli: mount error: open failed: /sys/fs/cgroup/devices/user.slice/devices.allow: permission"
        " denied: unknown.\n",
        HOOK
        + "nvidia-container-cli: mount error: write error: /sys/fs/cgroup/devices/docker/b2b586a52a08/devices.allow:"
        " operation not permitted: unknown.\n",
    ),
    "toolkit.cgroup-v1-missing": (
        HOOK + "nvidia-container-cli: container error: cgroup subsystem devices not found: unknown.\n",
    ),
    "toolkit.cuda-error": (HOOK + "nvidia-container-cli: initialization error: cuda error: unknown error\n",),
    "toolkit.ldconfig-path": (
        HOOK + "nvidia-container-cli: ldcache error: open failed: /sbin/ldconfig.real: no such file or directory:"
        " unknown.\n",
    ),
    "toolkit.ldconfig-failed": (
        HOOK + "nvidia-container-cli: ldcache error: process /sbin/ldconfig.real failed with error code: 1: unknown.\n",
        HOOK + "nvidia-container-cli: ldcache error: process /sbin/ldconfig terminated with signal 9: unknown.\n",
    ),
    "toolkit.file-exists": (
        HOOK
        + "nvidia-container-cli: mount error: file creation failed: /var/lib/docker/overlay2/706b1d1b6de681b6daf1cab9"
        "79336a9d465d9b333962cc17db663f2e334d5776/merged/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1: file exists:"
        " unknown.\n",
    ),
    "toolkit.mount-denied": (
        "nvidia-container-cli: mount error: mount operation failed: /tmp/enroot/test/usr/lib/firmware/nvidia/470.57.02:"
        " operation not permitted\n",
    ),
    "toolkit.stale-cache": (
        HOOK
        + "nvidia-container-cli: detection error: open failed: /usr/lib/x86_64-linux-gnu/libnvidia-tls.so.470.129.06:"
        " no such file or directory: unknown.\n",
    ),
    "toolkit.compat-missing": (
        HOOK
        + "nvidia-container-cli: mount error: stat failed: /var/lib/docker/overlay2/3e69c4833ad6cf72748f7f259e8a408d4"
        "f567593d68432f69c8a5ae25a8e078e/merged/usr/local/cuda-10.2/compat/libcuda.so.440.118.02: no such file or"
        " directory: unknown\n",
    ),
    "driver.not-loaded": (
        HOOK + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.\n",
        "error: failed to initialize NVML: Driver Not Loaded\n",
    ),
    "driver.version-mismatch": (
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.195\n",
        "[    9.424670] NVRM: API mismatch: the client 'kwin_wayland' (pid 1005)\n               NVRM: has the version"
        " 595.84, but this kernel module has\n",
    ),
    "driver.smi-failed": (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA"
        " driver is installed and running.\n",
    ),
    "driver.module-missing": ("modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.1.0-41-amd64\n",),
    "driver.module-rejected": (
        "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service\n",
        "modprobe: ERROR: could not insert 'nvidia_current': Required key not available\n",
    ),
    "driver.probe-taken": ("[188549.976351] NVRM: The NVIDIA probe routine was not called for 3 device(s).\n",),
    "driver.adapter-failed": ("[   21.091872] NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x22:0x56:894)\n",),
    "driver.gpu-lost": (
        "[ 1843.308145] NVRM: Xid (PCI:0000:44:00): 79, GPU has fallen off the bus.\n",
        "[ 1843.308145] NVRM: The NVIDIA GPU 0000:b3:00.0\n               NVRM: (PCI ID: 10de:26b5) installed in this"
        " system has\n               NVRM: fallen off the bus and is not responding to commands.\n",
        "error creating nvml.Device 5: nvml: GPU is lost, which is unexpected\n",
        "failed to get device remapped rows: ERROR_GPU_IS_LOST\n",
        "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system to recover this"
        " GPU\n",
    ),
    "driver.no-handle": ("Unable to determine the device handle for GPU0000:07:00.0: Unknown Error\n",),
    "nvml.no-devices": ("$ nvidia-smi\nNo devices were found\n",),
    "amd.no-device": (
        'checkHipErrors() HIP API error = 0100 "no ROCm-capable device is detected" from file hipInfo.cpp\n',
        "RuntimeError: HIP error: hipErrorNoDevice\n",
        "RuntimeError: No HIP GPUs are available\n",
    ),
    "image.no-driver": (
        "WARNING: The NVIDIA Driver was not detected.  GPU functionality will not be available.\n   Use the NVIDIA"
        " Container Toolkit to start this container with GPU support\n",
    ),
    "driver.xid": (
        "[Mon Aug  5 03:54:13 2024] NVRM: Xid (PCI:0000:00:07): 31, pid=2512125, name=python3.10, Ch 00000008, intr"
        " 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_8 faulted @ 0x73ac_1c000000.\n",
        "2021/07/23 08:00:00 XidCriticalError: Xid=999 on Device=GPU-5d2d0a3f, the device will go unhealthy.\n",
    ),
    "nvml.unknown-error": ("Failed to initialize NVML: Unknown Error\n",),
    "nvml.permission": (
        "Failed to initialize NVML: Insufficient Permissions\n",
        HOOK + "nvidia-container-cli: initialization error: nvml error: insufficient permissions: unknown.\n",
        "pynvml.NVMLError_NoPermission: Insufficient Permissions\n",
    ),
    "wsl.no-adapter": (
        HOOK
        + "nvidia-container-cli: initialization error: WSL environment detected but no adapters were found: unknown\n",
    ),
    "tegra.nvmap-denied": (
        "NvRmMemInitNvmap failed with Permission denied\n549: Memory Manager Not supported\n"
        "****NvRmMemInit failed**** error type: 196626\n",
    ),
    "tegra.nvmap-missing": (
        "NvRmMemInitNvmap failed with No such file or directory\n356: Memory Manager Not supported\n",
    ),
    "amd.kfd-denied": (
        "ROCk module is loaded\nUnable to open /dev/kfd read-write: Permission denied\n",
        "Unable to open /dev/kfd read-write: Operation not permitted\n",
    ),
    "amd.kfd-missing": ("ROCk module is loaded\nUnable to open /dev/kfd read-write: No such file or directory\n",),
    "amd.kfd-refused": (
        "Unable to open /dev/kfd read-write: Cannot allocate memory\nigor is member of render group\n",
        "ROCk module version 6.7.0 is loaded\nUnable to open /dev/kfd read-write: Invalid argument\n",
    ),
    "amd.module-missing": ("ROCk module is NOT loaded, possibly no GPU devices\n",),
    "amd.no-kernel-image": (
        "RuntimeError: HIP error: invalid device function\n",
        "rocBLAS error from hip error code: 'hipErrorInvalidDeviceFunction':98\n",
    ),
    "cuda.304": (
        "RuntimeError: CUDA failure 304: OS call failed or operation not supported on this OS ; GPU=32694\n",
        "numba.cuda.cudadrv.error.CudaSupportError: Error at driver init: Call to cuInit results in"
        " CUDA_ERROR_OPERATING_SYSTEM (304)\n",
        "CUDA runtime API error cudaErrorOperatingSystem (304):\n",
    ),
    "cuda.802": (
        TORCH + "Error 802: system not yet initialized (Triggered internally at  ../c10/cuda/CUDAFunctions.cpp:112.)\n",
        "RuntimeError: cuda runtime error (802) : system not yet initialized at THCGeneral.cpp:50\n",
        "[rank3]: Cuda failure 802 'system not yet initialized'\n",
        "failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY\n",
        'CUDA error at bandwidthTest.cu:256 code=802(cudaErrorSystemNotReady) "cudaSetDevice(currentDevice)"\n',
    ),
    "cuda.803": (
        TORCH + "Error 803: system has unsupported display driver / cuda driver combination\n",
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\n",
    ),
    "cuda.804": (
        TORCH + "Error 804: forward compatibility was attempted on non supported HW\n",
        "cupy_backends.cuda.api.runtime.CUDARuntimeError: cudaErrorCompatNotSupportedOnDevice\n",
    ),
    "cuda.805": (
        TORCH + "Error 805: MPS client failed to connect to the MPS control daemon or the MPS server\n",
        "CUDA_ERROR_MPS_CONNECTION_FAILED\n",
    ),
    "cuda.35": (
        "-> CUDA driver version is insufficient for CUDA runtime version\n",
        'code=35(cudaErrorInsufficientDriver) "cudaSetDevice(currentDevice)"\n',
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU"
        " driver\n",
    ),
    "cuda.100": (
        "2023-11-28 16:42:02.738968: E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed call to cuInit:"
        " CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n",
        "E tensorflow/stream_executor/cuda/cuda_driver.cc:406] failed call to cuInit: CUDA_ERROR_NO_DEVICE\n",
        "    torch._C._cuda_init()\nRuntimeError: No CUDA GPUs are available\n",
    ),
    "cuda.101": ("RuntimeError: CUDA error: invalid device ordinal\n",),
    "cuda.999": (
        "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env"
        " variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.\n",
        "RuntimeError: cuda runtime error (999) : unknown error at THCGeneral.cpp:50\n",
        "THCudaCheck FAIL file=THCGeneral.cpp line=50 error=999 : unknown error\n",
        "Error 999: unknown error\n",
        "panic: CUDA_ERROR_UNKNOWN\n",
    ),
    "cuda.46": (
        "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable\n",
        "RuntimeError: cuda runtime error (46) : all CUDA-capable devices are busy or unavailable\n",
        "CUDA_ERROR_DEVICE_UNAVAILABLE\n",
    ),
    "cuda.forked": (
        "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use"
        " the"
        " 'spawn' start method\n",
    ),
    "cuda.no-kernel-image": (
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\n",
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch"
        " installation.\n",
    ),
    "cuda.out-of-memory": (
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 32.00 MiB. GPU 0 has a total capacity of"
        " 4.00"
        " GiB of which 41.56 MiB is free.\n",
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory\n",
    ),
    "cuda.no-libcuda": (
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory\n",
        "E tensorflow/stream_executor/cuda/cuda_driver.cc:313] failed call to cuInit: UNKNOWN ERROR (303)\n",
    ),
    "torch.init-failed": (
        "    torch._C._cuda_init()\nRuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.\n",
    ),
    "torch.no-driver": (
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a"
        " driver from http://www.nvidia.com/Download/index.aspx\n",
    ),
    "torch.cpu-build": ("AssertionError: Torch not compiled with CUDA enabled\n",),
    "shm.loader": (
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory"
        " (shm).\n",
        "RuntimeError: DataLoader worker (pid 46794) is killed by signal: Bus error. It is possible that dataloader's"
        " workers are out of shared memory.\n",
    ),
    "shm.nccl": (
        "[3] include/shm.h:48 NCCL WARN Error while creating shared memory segment nccl-shm-recv-1462445a6f01cbfc-1-2-3"
        " (size 9637888)\n",
        "(Runner pid=868697) Error while creating shared memory segment /dev/shm/nccl-UmqSM9 (size 7340384)\n",
        "host:9621:9691 [6] misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-fjwOOB to 5967876"
        " bytes\n",
        "gpu2:2143:2561 [1] include/shm.h:28 NCCL WARN Call to posix_fallocate failed : No space left on device\n",
    ),
    "shm.nccl-attach": (
        "g148:14937:69361 [0] misc/shmutils.cc:129 NCCL WARN Error while attaching to shared memory segment"
        " /dev/shm/nccl-glnlGK (size 14156128), error: No such file or directory (2)\n",
    ),
    "slurm.gres-invalid": (
        "sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification\n",
    ),
    "slurm.node-file-missing": (
        "slurmd: fatal: can't stat gres.conf file /dev/nvidia0: No such file or directory\n",
        "Feb 02 09:51:48 worker slurmd[12912]: slurmd: error: Waiting for gres.conf file /dev/nvidia0\n",
    ),
    "slurm.no-nvml": (
        "slurmd: fatal: We were configured to autodetect nvml functionality, but we weren't able to find that lib when"
        " Slurm was configured.\n",
    ),
    "slurm.gres-duplicate": ("Feb 20 18:59:13 node2 slurmd[57977]: fatal: gres.conf duplicate records for gpu\n",),
    "apptainer.no-nv-files": ("INFO:    Could not find any nv files on this host!\n",),
}
