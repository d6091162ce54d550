/* The first thread ends; the one that stays names itself through every spelling that means it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_t leader;

static int named(const char *path, const char *name)
{
    char own[64], seen[32] = "";
    int fd = open(path, O_RDWR);
    if (fd < 0 || write(fd, name, strlen(name)) < 0)
        return 0;
    close(fd);
    snprintf(own, sizeof own, "/proc/self/task/%d/comm", gettid());
    fd = open(own, O_RDONLY);
    int got = read(fd, seen, sizeof seen);
    close(fd);
    return got == (int)strlen(name) + 1 && !strncmp(seen, name, strlen(name));
}

static void *stay(void *unused)
{
    char pid[64], own[64];
    pthread_join(leader, NULL);
    snprintf(pid, sizeof pid, "/proc/%d/task/%d/comm", getpid(), gettid());
    snprintf(own, sizeof own, "/proc/%d/comm", gettid());
    char self[64];
    snprintf(self, sizeof self, "/proc/self/task/%d/comm", gettid());
    printf("self %d ", named(self, "one"));
    printf("pid %d ", named(pid, "two"));
    printf("thread-self %d ", named("/proc/thread-self/comm", "three"));
    printf("own %d\n", named(own, "four"));
    exit(0);
}

int main(void)
{
    pthread_t other;
    leader = pthread_self();
    if (pthread_create(&other, NULL, stay, NULL))
        return 2;
    pthread_exit(NULL);
}
