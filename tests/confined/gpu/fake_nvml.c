/* A pretended libnvidia-ml.so.1: the calls that the driver's Python binding makes, answered as FAKE_NVML says.
 *
 * two          two GPUs, counted against their minor numbers; the second is split by MIG
 * masked       one GPU that it can open, as in a container
 * tegra        one GPU without address and number
 * lost         two GPUs, of which the second fell off the bus
 * empty-mig    one GPU in MIG mode without an instance
 * not-loaded   nvmlInit fails: the kernel module is not loaded
 * mismatch     nvmlInit fails: library and kernel module are of different versions
 * hang         nvmlInit never returns
 * crash        nvmlInit dies of SIGSEGV
 * late         two GPUs, and dies of SIGSEGV when it is asked for the second
 * loud         two GPUs, and writes to standard output
 * odd          one GPU whose names hold tabs, newlines and bytes that are no UTF-8
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    LIB_RM_VERSION_MISMATCH = 18,
};

typedef struct device {
    int mig;
    unsigned index, minor, gpu_instance, compute_instance;
    const char *uuid, *name, *bus;
} device;

typedef struct pci {
    char bus_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} pci;

static device gpus[] = {
    {0, 0, 1, 0, 0, "GPU-11111111-0000-0000-0000-000000000001", "NVIDIA H200", "00000000:1A:00.0"},
    {0, 1, 0, 0, 0, "GPU-22222222-0000-0000-0000-000000000002", "NVIDIA H200", "00000000:C1:00.0"},
};
static device instances[] = {
    {1, 0, 0, 2, 0, "MIG-aaaaaaaa-0000-0000-0000-00000000000a", "NVIDIA H200 MIG 1g.18gb", ""},
    {1, 2, 0, 5, 1, "MIG-bbbbbbbb-0000-0000-0000-00000000000b", "NVIDIA H200 MIG 3g.71gb", ""},
};
static device odd = {0, 0, 0, 0, 0, "GPU-\t?\n", "a\tb\ngpu\t9\xff\xfe", "x\t\ny"};

static int is(const char *mode)
{
    const char *asked = getenv("FAKE_NVML");
    return asked && strcmp(asked, mode) == 0;
}

static int one_gpu(void)
{
    return is("masked") || is("tegra") || is("empty-mig") || is("odd");
}

static int copy(char *to, unsigned size, const char *text)
{
    snprintf(to, size, "%s", text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    if (is("not-loaded"))
        return DRIVER_NOT_LOADED;
    if (is("mismatch"))
        return LIB_RM_VERSION_MISMATCH;
    if (is("crash"))
        raise(SIGSEGV);
    if (is("loud")) {
        puts("gpu\t7\t7\tGPU-made-up\tNone\t0000:00:00.0");
        fflush(stdout);
    }
    while (is("hang"))
        pause();
    return SUCCESS;
}

int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

int nvmlShutdown(void)
{
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case DRIVER_NOT_LOADED:
        return "Driver Not Loaded";
    case LIB_RM_VERSION_MISMATCH:
        return "Driver/library version mismatch";
    case GPU_IS_LOST:
        return "GPU is lost";
    default:
        return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned size)
{
    return copy(version, size, "570.86.15");
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = one_gpu() ? 1 : 2;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **found)
{
    if (index > 1)
        return INVALID_ARGUMENT;
    if (index == 1 && is("lost"))
        return GPU_IS_LOST;
    if (index == 1 && is("late"))
        raise(SIGSEGV);
    *found = is("odd") ? &odd : is("masked") ? &gpus[1] : &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(device *of, char *uuid, unsigned size)
{
    return copy(uuid, size, of->uuid);
}

int nvmlDeviceGetName(device *of, char *name, unsigned size)
{
    return copy(name, size, is("tegra") ? "Orin (nvgpu)" : of->name);
}

int nvmlDeviceGetMinorNumber(device *of, unsigned *minor)
{
    if (of->mig || is("tegra"))
        return NOT_SUPPORTED;
    *minor = of->minor;
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(device *of, pci *info)
{
    if (is("tegra"))
        return NOT_SUPPORTED;
    memset(info, 0, sizeof *info);
    return copy(info->bus_id, sizeof info->bus_id, of->bus);
}

int nvmlDeviceGetMigMode(device *of, unsigned *current, unsigned *pending)
{
    if (is("tegra"))
        return NOT_SUPPORTED;
    *current = *pending = is("empty-mig") || of == &gpus[1];
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(device *of, unsigned *count)
{
    (void)of;
    *count = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(device *of, unsigned index, device **found)
{
    for (unsigned at = 0; at < 2; at++)
        if (of == &gpus[1] && !is("empty-mig") && instances[at].index == index) {
            *found = &instances[at];
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(device *of, unsigned *id)
{
    *id = of->gpu_instance;
    return of->mig ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetComputeInstanceId(device *of, unsigned *id)
{
    *id = of->compute_instance;
    return of->mig ? SUCCESS : NOT_SUPPORTED;
}
