/* Race the broker: flip ROUNDS TARGET [FOLDER]. While one thread opens, another changes the path between an own name file
 * and TARGET; or, where FOLDER is "cwd" or "fd", the folder that the path's last part starts from. Every descriptor that
 * comes back must be a name file of this process, or TARGET where that may be written. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char own[128], other[128], own_folder[128], other_folder[128];
static int place = -1;
static volatile char path[128];
static atomic_int done;

static void *flip(void *unused)
{
    unsigned seed = 1;
    while (!done) {
        for (unsigned i = 0; i < sizeof own; i++)
            path[i] = own[i];
        for (unsigned n = (seed = seed * 1103515245 + 12345) >> 22; n; n--)
            __asm__ volatile("");
        for (unsigned i = 0; i < sizeof other; i++)
            path[i] = other[i];
        for (unsigned n = (seed = seed * 1103515245 + 12345) >> 22; n; n--)
            __asm__ volatile("");
    }
    return NULL;
}

static void *change_folder(void *by_descriptor)
{
    int folders[] = {open(own_folder, O_PATH), open(other_folder, O_PATH)};
    for (unsigned i = 0; !done; i++) {
        if (by_descriptor)
            dup2(folders[i % 2], place);
        else if (fchdir(folders[i % 2]))
            exit(2);
        for (unsigned n = (i * 1103515245 + 12345) >> 22; n; n--)
            __asm__ volatile("");
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int rounds = atoi(argv[1]), mine = 0, allowed = 0, denied = 0, wrong = 0;
    char folder[64];
    snprintf(own, sizeof own, "/proc/self/task/%d/comm", getpid());
    snprintf(other, sizeof other, "%s", argv[2]);
    int expected = snprintf(folder, sizeof folder, "/proc/%d/task/", getpid());
    const char *last = (const char *)path;
    void *(*work)(void *) = flip;
    if (argc > 3) {
        last = "comm";
        work = change_folder;
        snprintf(own_folder, sizeof own_folder, "%.*s", (int)strlen(own) - 5, own);
        snprintf(other_folder, sizeof other_folder, "%.*s", (int)strlen(other) - 5, other);
        place = dup(1);
    }
    int by_descriptor = argc > 3 && !strcmp(argv[3], "fd");
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, by_descriptor ? "" : NULL))
        return 2;
    /* On a busy machine one of both may hardly run: go on until either has been met often. */
    int often = rounds / 20 + 1, most = 50 * rounds;
    for (int round = 0; round < rounds || ((mine < often || allowed + denied < often) && round < most); round++) {
        char link[64], target[256] = "";
        int fd = openat(by_descriptor ? place : AT_FDCWD, last, O_RDWR);
        if (fd < 0) {
            denied += errno == EACCES;
            wrong += errno == ENOSYS || errno == EFAULT; /* half a path can be many things, but is never these */
            continue;
        }
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length > 5 && !strncmp(target, folder, expected) && !strcmp(target + length - 5, "/comm"))
            mine++;
        else if (!strcmp(target, other))
            allowed++;
        else if (wrong++ < 5)
            fprintf(stderr, "%s\n", target);
        close(fd);
    }
    done = 1;
    pthread_join(thread, NULL);
    printf("%d %d %d %d\n", mine, allowed, denied, wrong);
    return wrong != 0;
}
