/* libcuda.so.1 without a GPU: cuInit() makes the accesses that the real one makes, and fails as that does without them.
 *
 * FAKE_CUDA_NODES: the control nodes to open, separated by spaces, instead of those of NVIDIA's that /dev has; FAKE_CUDA_GPUS: the same for
 * GPUs. FAKE_CUDA: crash, abort, exit or hang, which cuInit() then does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, OPERATING_SYSTEM = 304, UNKNOWN = 999 };
enum { MOST = 16 };

/* No device here knows this request: a driver that is reached says ENOTTY. */
#define DRIVER_CALL _IOWR('F', 200, char[32])

static const struct {
    int code;
    const char *name, *words;
} errors[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {OPERATING_SYSTEM, "CUDA_ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS"},
    {UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};
static int started, gpus[MOST], count;

/* Open a node and have its driver answer. Returns 0 or the errno. */
static int use_node(const char *path)
{
    char argument[32] = "";
    int fd = open(path, O_RDWR | O_CLOEXEC), error = 0;

    if (fd < 0)
        return errno;
    if (ioctl(fd, DRIVER_CALL, argument) < 0 && errno != ENOTTY)
        error = errno;
    close(fd);
    return error;
}

/* Control nodes that are missing are no reason to fail, apart from the first one. */
static int use_control_nodes(void)
{
    char *given = getenv("FAKE_CUDA_NODES"), *kept = NULL;
    char names[1000] = "/dev/nvidiactl /dev/nvidia-uvm /dev/nvidia-uvm-tools /dev/nvidia-modeset";
    int first = 1;

    if (given)
        snprintf(names, sizeof names, "%s", given);
    for (char *path = strtok_r(names, " ", &kept); path; path = strtok_r(NULL, " ", &kept), first = 0) {
        int error = use_node(path);
        if (error == ENOENT && first)
            return NO_DEVICE;
        if (error && error != ENOENT)
            return OPERATING_SYSTEM;
    }
    return SUCCESS;
}

static void *wait_at(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* The helper thread stays, as the driver's do. */
static int name_a_thread(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;

    pthread_mutex_lock(&lock);
    if (pthread_create(&thread, NULL, wait_at, &lock))
        return OPERATING_SYSTEM;
    return pthread_setname_np(thread, "cuda00001400006") ? OPERATING_SYSTEM : SUCCESS;
}

static int share_memory(void)
{
    int fd = memfd_create("cuda-shared", MFD_CLOEXEC);

    if (fd < 0)
        return OPERATING_SYSTEM;
    close(fd);
    return SUCCESS;
}

static int look_around(void)
{
    const char *files[] = {"/proc/self/maps", "/proc/devices", "/proc/cpuinfo", "/proc/meminfo"};
    char text[256];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof text) <= 0)
            return UNKNOWN;
        close(fd);
    }
    return SUCCESS;
}

/* The persistence daemon may be absent, and must not be denied. */
static int greet_the_daemon(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/nvidia-persistenced/socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int denied = fd < 0 || (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno == EACCES);

    if (fd >= 0)
        close(fd);
    return denied ? OPERATING_SYSTEM : SUCCESS;
}

/* The UUID of a GPU as text; every byte of it says which. */
static void write_uuid(char text[41], int gpu)
{
    char byte[3];
    int half = 0;

    snprintf(byte, sizeof byte, "%02x", 0x10 + gpu);
    snprintf(text, 41, "GPU-________-____-____-____-____________");
    for (char *c = text + 4; *c; c++)
        if (*c == '_')
            *c = byte[half++ % 2];
}

/* CUDA_VISIBLE_DEVICES: numbers among the GPUs that can be opened, or their UUIDs, up to the first that is neither. */
static void choose(int *found, int all)
{
    char *given = getenv("CUDA_VISIBLE_DEVICES"), *kept = NULL, names[200];

    count = 0;
    if (!given) {
        memcpy(gpus, found, sizeof gpus);
        count = all;
        return;
    }
    snprintf(names, sizeof names, "%s", given);
    for (char *name = strtok_r(names, ",", &kept); name && count < MOST; name = strtok_r(NULL, ",", &kept)) {
        char *end, uuid[41];
        long index = strtol(name, &end, 10);
        for (int i = 0; i < all && *end; i++) {
            write_uuid(uuid, found[i]);
            if (!strncmp(name, uuid, strlen(name)) && strlen(name) > 4)
                end = name + strlen(name), index = i;
        }
        if (*end || end == name || index < 0 || index >= all)
            return;
        gpus[count++] = found[index];
    }
}

static int count_gpus(void)
{
    char *given = getenv("FAKE_CUDA_GPUS"), *kept = NULL, names[1000], path[40];
    int found[MOST] = {0}, all = 0;

    if (given) {
        snprintf(names, sizeof names, "%s", given);
        for (char *one = strtok_r(names, " ", &kept); one && all < MOST; one = strtok_r(NULL, " ", &kept))
            if (!use_node(one)) {
                found[all] = all;
                all++;
            }
    } else {
        for (int minor = 0; minor < MOST; minor++) {
            snprintf(path, sizeof path, "/dev/nvidia%d", minor);
            if (!use_node(path))
                found[all++] = minor;
        }
    }
    choose(found, all);
    return count ? SUCCESS : NO_DEVICE;
}

static void misbehave(void)
{
    const char *how = getenv("FAKE_CUDA");

    if (!how)
        return;
    printf("a line that a driver prints\n");
    fflush(stdout);
    if (!strcmp(how, "crash"))
        *(volatile int *)(uintptr_t)8 = 1;
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "exit"))
        exit(0);
    while (!strcmp(how, "hang"))
        pause();
}

int cuInit(unsigned int flags)
{
    int (*const steps[])(void) = {use_control_nodes, look_around, share_memory, greet_the_daemon, count_gpus, name_a_thread};

    if (flags)
        return INVALID_VALUE;
    misbehave();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int answer = steps[i]();
        if (answer)
            return answer;
    }
    started = 1;
    return SUCCESS;
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return SUCCESS;
}

int cuDeviceGetCount(int *number)
{
    if (!started)
        return NOT_INITIALIZED;
    *number = count;
    return SUCCESS;
}

int cuDeviceGet(int *device, int index)
{
    if (!started)
        return NOT_INITIALIZED;
    if (index < 0 || index >= count)
        return INVALID_DEVICE;
    *device = index;
    return SUCCESS;
}

int cuDeviceGetName(char *name, int length, int device)
{
    snprintf(name, (size_t)length, "Pretended GPU %d", gpus[device]);
    return SUCCESS;
}

int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    memset(uuid, 0x10 + gpus[device], 16);
    return SUCCESS;
}

static int told(int code, const char **text, int name)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) {
            *text = name ? errors[i].name : errors[i].words;
            return SUCCESS;
        }
    *text = NULL;
    return INVALID_VALUE;
}

int cuGetErrorName(int code, const char **text)
{
    return told(code, text, 1);
}

int cuGetErrorString(int code, const char **text)
{
    return told(code, text, 0);
}
