/* Short-lived processes: storm N AT-ONCE [WAY]. Each names itself and ends; without WAY it must succeed. WAY says how a
 * process ends while its threads open: "exit" (the whole process), "exec" (into something that ends) or "kill". */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *open_on(void *unused)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", gettid());
    for (;;)
        close(open(path, O_RDWR));
    return NULL;
}

static int named(void)
{
    char path[64], name[16], seen[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    int length = snprintf(name, sizeof name, "s%d", getpid());
    int fd = open(path, O_RDWR);
    if (fd < 0 || write(fd, name, length) != length || pread(fd, seen, sizeof seen - 1, 0) != length + 1)
        return 1;
    return strncmp(seen, name, length) != 0;
}

static void end_amidst(const char *way, char *self)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, open_on, NULL))
            _exit(1);
    if (named())
        _exit(1);
    if (!strcmp(way, "exec"))
        execv("/proc/self/exe", (char *[]){self, NULL});
    else if (!strcmp(way, "kill"))
        kill(getpid(), SIGKILL);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return named();
    int processes = atoi(argv[1]), at_once = atoi(argv[2]), running = 0, failed = 0;
    for (int i = 0; i < processes || running;) {
        if (i < processes && running < at_once) {
            pid_t pid = fork();
            if (!pid) {
                if (argc > 3)
                    end_amidst(argv[3], argv[0]);
                _exit(named());
            }
            failed += pid < 0;
            running += pid > 0;
            i++;
            continue;
        }
        int status;
        wait(&status);
        running--;
        failed += !(WIFEXITED(status) && !WEXITSTATUS(status)) && !(WIFSIGNALED(status) && argc > 3);
    }
    printf("failed %d\n", failed);
    return 0;
}
