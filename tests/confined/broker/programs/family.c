/* A child, its daemonised child, and what a child executes: everybody names itself and says whether it could. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int named(void)
{
    char path[64], name[16];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    int fd = open(path, O_RDWR);
    if (fd < 0 || write(fd, "cuda", 4) != 4)
        return 0;
    prctl(PR_GET_NAME, name);
    return !strcmp(name, "cuda");
}

static int ended(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return named();
    pid_t pid = fork();
    if (!pid) {
        int own = named();
        pid_t grandchild = fork();
        if (!grandchild)
            _exit(named());
        _exit((own ? 1 : 0) && ended(grandchild));
    }
    int both = ended(pid), ends[2];
    printf("child %d grandchild %d ", both, both);
    if (pipe(ends))
        return 2;
    pid = fork();
    if (!pid) {
        if (fork())
            _exit(1);
        setsid();
        char go, answer;
        while (getppid() == pid)
            ;
        (void)go;
        answer = (char)('0' + named());
        _exit(write(ends[1], &answer, 1) != 1);
    }
    waitpid(pid, NULL, 0);
    char answer = '?';
    if (read(ends[0], &answer, 1) != 1)
        return 2;
    printf("daemon %c ", answer);
    pid = fork();
    if (!pid)
        _exit((execv("/proc/self/exe", (char *[]){argv[0], "executed", NULL}), 2));
    printf("executed %d\n", ended(pid));
    return 0;
}
