/* Opens that never end: openers THREADS. Says "ready" once each thread has named itself. With 0 threads it opens once
 * for each line that it is sent, and says how that went. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t all;

static int try_open(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", gettid());
    int fd = open(path, O_RDWR);
    if (fd >= 0)
        close(fd);
    return fd;
}

static void *work(void *unused)
{
    if (try_open() < 0)
        exit(3);
    pthread_barrier_wait(&all);
    for (;;)
        try_open();
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = atoi(argv[1]);
    char line[64];
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_barrier_init(&all, NULL, threads + 1);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread, NULL, work, NULL))
            return 2;
    pthread_barrier_wait(&all);
    puts("ready");
    while (!threads && fgets(line, sizeof line, stdin)) {
        puts("opening");
        puts(try_open() >= 0 ? "ok" : strerrorname_np(errno));
    }
    while (threads)
        pause();
    return 0;
}
