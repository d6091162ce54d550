/* cuda_shaped: asks of a sandbox what a program with CUDA does, without CUDA.
 *
 * cuda_shaped ROUNDS [DEVICE...]: goes through the cases below, ROUNDS times, as the program itself, a child, a
 * grandchild, a program it executed, and a daemon. Prints a line for each case of each of them, and at the end what
 * cuInit() would return. Exit status 0 if everything worked, else 1 (304 does not fit into one).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, SIZE = 1 << 20 };

/* A number as the driver's have it, which no device here knows: a driver that is reached says ENOTTY. */
#define DRIVER_CALL _IOWR('F', 200, char[32])

static char **devices;
static char step[300];

/* Every case returns 0, or the errno of what failed; then step names it. */
static int fail(const char *what, const char *on)
{
    int error = errno ? errno : EIO;

    snprintf(step, sizeof step, "%s %s", what, on);
    return error;
}

static int use_devices(void)
{
    for (char **device = devices; *device; device++) {
        char argument[32] = "";
        int fd = open(*device, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            return fail("open", *device);
        if (ioctl(fd, DRIVER_CALL, argument) < 0 && errno != ENOTTY)
            return fail("ioctl", *device);
        close(fd);
    }
    return 0;
}

static int map_memory(void)
{
    int fd = memfd_create("cuda-shaped", MFD_CLOEXEC);
    char *memory;

    if (fd < 0 || ftruncate(fd, SIZE) < 0)
        return fail("memfd_create", "");
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return fail("mmap", "a memfd");
    memset(memory, 7, SIZE);
    errno = 0;
    if (pread(fd, step, 1, SIZE - 1) != 1 || step[0] != 7)
        return fail("read", "a memfd");
    munmap(memory, SIZE);
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || munmap(memory, SIZE) < 0)
        return fail("mmap", "anonymous memory");
    close(fd);
    return 0;
}

static int look_around(void)
{
    const char *files[] = {"/proc/self/maps", "/proc/meminfo", "/proc/cpuinfo", "/proc/devices", "/proc/self/status"};
    char text[4096];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return fail("open", files[i]);
        errno = 0;
        if (read(fd, text, sizeof text) <= 0)
            return fail("read", files[i]);
        close(fd);
    }
    return 0;
}

static void *ring(void *fd)
{
    uint64_t one = 1;
    return (void *)(intptr_t)(write(*(int *)fd, &one, sizeof one) != sizeof one);
}

static int wait_for_events(void)
{
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN}, got;
    struct pollfd polled = {.fd = event, .events = POLLIN};
    pthread_t thread;

    if (event < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) < 0)
        return fail("make", "an eventfd and an epoll");
    if ((errno = pthread_create(&thread, NULL, ring, &event)))
        return fail("start", "a thread");
    errno = 0;
    if (epoll_wait(epoll, &got, 1, 10000) != 1 || poll(&polled, 1, 10000) != 1)
        return fail("wait for", "an event");
    pthread_join(thread, NULL);
    close(event);
    close(epoll);
    return 0;
}

static int name_itself(void)
{
    char name[16] = "";

    if ((errno = pthread_setname_np(pthread_self(), "cuda-main")))
        return fail("name", "the calling thread");
    if ((errno = pthread_getname_np(pthread_self(), name, sizeof name)) || strcmp(name, "cuda-main"))
        return fail("find", "the calling thread's name");
    return 0;
}

static void *wait_at(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* One of several threads at once: start another one and name it. Returns the errno. */
static void *name_a_worker(void *given)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char wanted[16], name[16] = "";
    pthread_t worker;
    int error;

    pthread_mutex_lock(&lock);
    error = pthread_create(&worker, NULL, wait_at, &lock);
    if (error)
        return (void *)(intptr_t)error;
    snprintf(wanted, sizeof wanted, "cuda-%05d", (int)(intptr_t)given);
    error = pthread_setname_np(worker, wanted);
    if (!error)
        error = pthread_getname_np(worker, name, sizeof name);
    if (!error && strcmp(name, wanted))
        error = EBADMSG;
    pthread_mutex_unlock(&lock);
    pthread_join(worker, NULL);
    return (void *)(intptr_t)error;
}

static int name_others(void)
{
    pthread_t threads[THREADS];
    int failed = 0;

    for (int i = 0; i < THREADS; i++)
        if ((errno = pthread_create(&threads[i], NULL, name_a_worker, (void *)(intptr_t)i)))
            return fail("start", "a thread");
    for (int i = 0; i < THREADS; i++) {
        void *error;
        pthread_join(threads[i], &error);
        failed = error ? (int)(intptr_t)error : failed;
    }
    errno = failed;
    return failed ? fail("name", "another thread") : 0;
}

/* As the compiler's cache does: write beside, rename, read again. */
static int keep_kernels(void)
{
    const char *folder = getenv("CUDA_CACHE_PATH");
    char new[200], kept[200], text[8] = "";
    int fd;

    if (!folder)
        return fail("find", "CUDA_CACHE_PATH");
    snprintf(kept, sizeof kept, "%s/%d", folder, getpid());
    snprintf(new, sizeof new, "%s/%d.new", folder, getpid());
    fd = open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "kernel", 6) != 6 || rename(new, kept) < 0)
        return fail("write", kept);
    errno = 0;
    if (pread(fd, text, 6, 0) != 6 || strcmp(text, "kernel") || unlink(kept) < 0)
        return fail("read and remove", kept);
    close(fd);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {
    {"devices", use_devices},
    {"memory", map_memory},
    {"procfs", look_around},
    {"events", wait_for_events},
    {"own name", name_itself},
    {"other threads' names", name_others},
    {"cache", keep_kernels},
};

/* All cases; returns 1 if one failed in a round. */
static int everything(const char *who, int rounds)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int error = 0;
        for (int round = 0; round < rounds && !error; round++) {
            errno = 0;
            error = cases[i].run();
        }
        if (error)
            printf("failed  %s: %s: %s: %s\n", who, cases[i].name, step, strerror(error));
        else
            printf("ok      %s: %s\n", who, cases[i].name);
        failed |= error != 0;
    }
    fflush(stdout);
    return failed;
}

/* Whether that child failed. */
static int ended_badly(pid_t pid)
{
    int status = 1;

    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        perror("cuda_shaped");
    return status != 0;
}

/* A daemon's parent is gone before it begins; it answers through a pipe. */
static int daemonised(int rounds)
{
    int answer[2];
    char failed = 1;
    pid_t pid;

    if (pipe(answer) < 0 || (pid = fork()) < 0)
        return 1;
    if (pid == 0) {
        pid_t parent = getpid();
        if (fork() != 0)
            _exit(0);
        setsid();
        while (getppid() == parent)
            usleep(1000);
        failed = (char)everything("a daemon", rounds);
        _exit(write(answer[1], &failed, 1) != 1);
    }
    close(answer[1]);
    ended_badly(pid);
    if (read(answer[0], &failed, 1) != 1)
        failed = 1;
    close(answer[0]);
    return failed;
}

int main(int count, char **words)
{
    int rounds = count > 1 ? atoi(words[1]) : 1;
    int failed;
    pid_t pid;

    devices = count > 2 ? words + 2 : words + count;
    if (getenv("CUDA_SHAPED_EXECUTED"))
        return everything("a program it executed", rounds);
    failed = everything("the program", rounds);
    if ((pid = fork()) == 0)
        _exit(everything("a child", rounds));
    failed |= ended_badly(pid);
    if ((pid = fork()) == 0) {
        if ((pid = fork()) == 0)
            _exit(everything("a grandchild", rounds));
        _exit(ended_badly(pid));
    }
    failed |= ended_badly(pid);
    if ((pid = fork()) == 0) {
        setenv("CUDA_SHAPED_EXECUTED", "1", 1);
        execv("/proc/self/exe", words);
        perror("cuda_shaped: exec");
        _exit(1);
    }
    failed |= ended_badly(pid);
    failed |= daemonised(rounds);
    puts(failed ? "cuInit() would return 304, CUDA_ERROR_OPERATING_SYSTEM" : "cuInit() would return 0, CUDA_SUCCESS");
    return failed;
}
