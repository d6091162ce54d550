/* Other ways into the kernel than the one that the filter watches: each prints the errno of its attempt. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    /* The 32-bit entry takes 32-bit addresses. */
    char *path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (path == MAP_FAILED)
        return 2;
    strcpy(path, "/proc/self/comm");
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(path), "c"(O_RDWR), "d"(0) : "memory", "r8", "r9", "r10", "r11");
    printf("int80 %s ", result < 0 ? strerrorname_np(-result) : "ok");
    result = syscall(0x40000000 + SYS_openat, AT_FDCWD, path, O_RDWR, 0);
    printf("x32 %s ", result < 0 ? strerrorname_np(errno) : "ok");
    struct io_uring_params params = {0};
    result = syscall(SYS_io_uring_setup, 4, &params);
    printf("io_uring %s\n", result < 0 ? strerrorname_np(errno) : "ok");
    return 0;
}
