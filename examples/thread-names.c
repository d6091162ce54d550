/* thread-names: does to its threads what cuInit() does, and says whether that worked.
 *
 * CUDA names the threads it starts. glibc does that for another thread than the caller with
 * open("/proc/self/task/<tid>/comm", O_RDWR) (pthread_setname_np(3)); where this is denied, cuInit() fails with
 * error 304, CUDA_ERROR_OPERATING_SYSTEM. Programs that use CUDA fork, exec and daemonise, so every kind of
 * descendant is tried here. One line a case; exit status 1 if any was denied.
 *
 * Build: cc -O2 -pthread -o thread-names thread-names.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_main(void *unused)
{
    pthread_mutex_lock(&busy);
    pthread_mutex_unlock(&busy);
    return unused;
}

/* Start a thread, name it from this one, print the outcome. Returns 0 if it has its name now. */
static int name_a_thread(const char *who)
{
    pthread_t worker;
    char name[16] = "";
    int error;

    pthread_mutex_lock(&busy);
    error = pthread_create(&worker, NULL, wait_for_main, NULL);
    if (error) {
        pthread_mutex_unlock(&busy);
        printf("failed  %s: no thread: %s\n", who, strerror(error));
        fflush(stdout);
        return 1;
    }
    error = pthread_setname_np(worker, "cuda-worker");
    if (!error)
        error = pthread_getname_np(worker, name, sizeof name);
    pthread_mutex_unlock(&busy);
    pthread_join(worker, NULL);

    if (error)
        printf("denied  %s: %s\n", who, strerror(error));
    else
        printf("ok      %s: its thread is called %s\n", who, name);
    fflush(stdout);
    return error || strcmp(name, "cuda-worker");
}

/* Whether the child that fork() gave as pid exited with anything but 0. */
static int failed(pid_t pid)
{
    int status = 1;

    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        perror("thread-names");
    return status != 0;
}

static int child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(name_a_thread("a child"));
    return failed(pid);
}

static int grandchild(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        pid_t inner = fork();
        if (inner == 0)
            _exit(name_a_thread("a grandchild"));
        _exit(failed(inner));
    }
    return failed(pid);
}

static int executed(const char *self)
{
    pid_t pid = fork();

    if (pid == 0) {
        execl(self, self, "a program it executed", (char *)NULL);
        perror("thread-names: exec");
        _exit(1);
    }
    return failed(pid);
}

/* A daemon: its parent is gone before it names anything. It answers through a pipe. */
static int reparented(void)
{
    int answer[2];
    char result = 1;
    pid_t pid;

    if (pipe(answer) < 0) {
        perror("thread-names: pipe");
        return 1;
    }
    pid = fork();
    if (pid == 0) {
        pid_t parent = getpid();
        if (fork() > 0)
            _exit(0);
        setsid();
        while (getppid() == parent)
            usleep(1000);
        result = (char)name_a_thread("a daemon, re-parented");
        if (write(answer[1], &result, 1) != 1)
            perror("thread-names: write");
        _exit(0);
    }
    close(answer[1]);
    if (failed(pid) || read(answer[0], &result, 1) != 1)
        result = 1;
    close(answer[0]);
    return result != 0;
}

int main(int argc, char **argv)
{
    int denied;

    if (argc > 1)
        return name_a_thread(argv[1]);
    denied = name_a_thread("the program itself");
    denied += child();
    denied += grandchild();
    denied += executed(argv[0]);
    denied += reparented();
    if (denied)
        printf("cuInit() would fail here: error 304, CUDA_ERROR_OPERATING_SYSTEM\n");
    else
        printf("cuInit() could name its threads here\n");
    return denied != 0;
}
