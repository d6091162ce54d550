/* fileops: the time of 10,000 opens, reads, writes or stats, on request.
 *
 * Works in the current folder on the file "data". Reads one letter a round from standard input (o, r, w or s) and
 * answers with the nanoseconds that the round took, on a line. Two of them, one bare and one in a sandbox, can so be
 * asked in turns. Ends at the end of its input.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 10000, BLOCK = 4096 };

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void one(int operation, int fd)
{
    static char block[BLOCK];
    struct stat status;
    int opened;

    switch (operation) {
    case 'o':
        opened = open("data", O_RDWR);
        check(opened >= 0, "open");
        close(opened);
        break;
    case 'r':
        check(pread(fd, block, BLOCK, 0) == BLOCK, "read");
        break;
    case 'w':
        check(pwrite(fd, block, BLOCK, 0) == BLOCK, "write");
        break;
    default:
        check(stat("data", &status) == 0, "stat");
    }
}

int main(void)
{
    struct timespec start, end;
    int operation;
    int fd = open("data", O_RDWR);

    check(fd >= 0, "data");
    setvbuf(stdin, NULL, _IONBF, 0);
    while ((operation = getchar()) != EOF) {
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int i = 0; i < ROUNDS; i++)
            one(operation, fd);
        clock_gettime(CLOCK_MONOTONIC, &end);
        printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec);
        fflush(stdout);
    }
    return 0;
}
