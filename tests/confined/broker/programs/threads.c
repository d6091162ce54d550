/* Many threads name each other at once: threads N ROUNDS. Each checks that the name it wrote is the thread's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int threads, rounds;
static pid_t *tids;
static atomic_int failed, wrong;
static pthread_barrier_t all;

static void *work(void *argument)
{
    int me = (int)(long)argument;
    tids[me] = gettid();
    pthread_barrier_wait(&all);
    for (int round = 0; round < rounds; round++) {
        int other = (me + round) % threads;
        char path[64], name[16], seen[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", tids[other]);
        int length = snprintf(name, sizeof name, "w%d", round);
        int fd = open(path, O_RDWR);
        if (fd < 0 || write(fd, name, length) != length || pread(fd, seen, sizeof seen - 1, 0) <= 0)
            failed++;
        else if (other == me && round == 0 && strcmp(seen, "w0\n"))
            wrong++;
        if (fd >= 0)
            close(fd);
        pthread_barrier_wait(&all);
    }
    /* The last to name thread N did it in round ROUNDS - 1. */
    char path[64], seen[32] = "", expected[32];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tids[me]);
    snprintf(expected, sizeof expected, "w%d\n", rounds - 1);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, seen, sizeof seen - 1) <= 0 || strcmp(seen, expected))
        wrong++;
    if (fd >= 0)
        close(fd);
    pthread_barrier_wait(&all);
    return NULL;
}

int main(int argc, char **argv)
{
    threads = atoi(argv[1]);
    rounds = atoi(argv[2]);
    tids = calloc(threads, sizeof *tids);
    pthread_t handles[threads];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    pthread_barrier_init(&all, NULL, threads);
    for (long me = 0; me < threads; me++)
        if (pthread_create(&handles[me], &small, work, (void *)me))
            return 2;
    for (int me = 0; me < threads; me++)
        pthread_join(handles[me], NULL);
    printf("failed %d wrong %d\n", failed, wrong);
    return 0;
}
