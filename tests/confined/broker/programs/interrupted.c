/* Signals while opens wait: interrupted OPENS RESTART [MICROSECONDS]. A timer fires that often, by default at 1 kHz;
 * every open must succeed or be EINTR, and EINTR only without RESTART. Prints what there was, and how many descriptors
 * were left behind. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void handler(int number)
{
    signals++;
}

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int opens = atoi(argv[1]), granted = 0, interrupted = 0, wrong = 0;
    struct sigaction action = {.sa_handler = handler, .sa_flags = atoi(argv[2]) ? SA_RESTART : 0};
    long interval = argc > 3 ? atol(argv[3]) : 1000;
    struct itimerval timer = {{0, interval}, {0, interval}}, none = {{0}};
    char path[64];
    int before = descriptors();
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < opens; i++) {
        int fd = open(path, O_RDWR);
        if (fd >= 0) {
            granted++;
            close(fd);
        } else if (errno == EINTR && !(action.sa_flags & SA_RESTART))
            interrupted++;
        else {
            wrong++;
            perror("open");
        }
    }
    setitimer(ITIMER_REAL, &none, NULL);
    printf("%d %d %d %d %d\n", granted, interrupted, wrong, descriptors() - before, (int)signals);
    return 0;
}
