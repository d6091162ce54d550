/* comm: the time of opening files as CUDA opens the comm files of its threads, on request.
 *
 * Works in the current folder on the file "data". Reads one letter a round from standard input and answers with a
 * number on a line, nanoseconds for one open if nothing else is said:
 *   n  the median of opening /proc/self/task/<tid>/comm of THREADS new threads, each once
 *   s  the mean of opening and closing the same comm again and again
 *   r  the mean of opening "data" to read it and closing it
 *   c  the mean of opening "data" with O_CREAT and closing it
 *   m  PROCESSES processes open their own comm EACH times, all at once: the nanoseconds of all that
 *   e  how many of those opens failed
 * Ends at the end of its input.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 100, AGAIN = 1000, PLAIN = 10000, PROCESSES = 8, EACH = 4000 };

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static int *errors;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    check(fd >= 0, path);
    return fd;
}

static long long again(const char *path, int flags, int times)
{
    long long start = now();

    for (int i = 0; i < times; i++)
        close(opened(path, flags));
    return (now() - start) / times;
}

static void *wait_for_main(void *tid)
{
    __atomic_store_n((pid_t *)tid, gettid(), __ATOMIC_RELEASE);
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
    return NULL;
}

static int shorter(const void *left, const void *right)
{
    long long difference = *(const long long *)left - *(const long long *)right;
    return (difference > 0) - (difference < 0);
}

static long long new_threads(void)
{
    pthread_t threads[THREADS];
    long long spent[THREADS], start;
    char path[64];
    int fd;

    pthread_mutex_lock(&held);
    for (int i = 0; i < THREADS; i++) {
        pid_t tid = 0;
        check(pthread_create(&threads[i], NULL, wait_for_main, &tid) == 0, "pthread_create");
        while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
            sched_yield();
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
        start = now();
        fd = opened(path, O_RDWR);
        spent[i] = now() - start;
        close(fd);
    }
    pthread_mutex_unlock(&held);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    qsort(spent, THREADS, sizeof *spent, shorter);
    return spent[THREADS / 2];
}

static long long many_processes(void)
{
    long long start = now();

    *errors = 0;
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        check(pid >= 0, "fork");
        if (pid > 0)
            continue;
        for (int j = 0; j < EACH; j++) {
            int fd = open("/proc/self/comm", O_RDWR);
            if (fd < 0)
                __atomic_fetch_add(errors, 1, __ATOMIC_RELAXED);
            close(fd);
        }
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;
    return now() - start;
}

static long long one(int request)
{
    switch (request) {
    case 'n':
        return new_threads();
    case 's':
        return again("/proc/self/comm", O_RDWR, AGAIN);
    case 'r':
        return again("data", O_RDONLY, PLAIN);
    case 'c':
        return again("data", O_RDWR | O_CREAT, PLAIN);
    case 'm':
        return many_processes();
    default:
        return *errors;
    }
}

int main(void)
{
    int request;

    errors = mmap(NULL, sizeof *errors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(errors != MAP_FAILED, "mmap");
    setvbuf(stdin, NULL, _IONBF, 0);
    while ((request = getchar()) != EOF) {
        printf("%lld\n", one(request));
        fflush(stdout);
    }
    return 0;
}
