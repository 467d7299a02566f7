// A loop around one instruction, which is changed while the program runs, in the way that the argument says.
// The number that is printed last says which instruction it was.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// The instruction is the one behind a marker that does nothing: lui zero, 0xabcde.
__asm__(".text\n.balign 8\n.option push\n.option norvc\n.globl counted, instruction\n"
        "counted: li a1, 0\n"
        "1: .word 0xabcde037\n"
        "instruction: addi a1, a1, 1\n"
        " addi a0, a0, -1\n bnez a0, 1b\n mv a0, a1\n ret\n.option pop\n");
extern long counted(long);
extern uint32_t instruction;

static const uint32_t one = 0x00158593, two = 0x00258593;

static void synchronise(void) {
    syscall(259, 0, 0, 0);
    __asm__ volatile("fence.i" ::: "memory");
}

static void write_memory(int process, uint32_t word) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", process);
    int fd = open(path, O_RDWR);
    if (fd < 0 || pwrite(fd, &word, 4, (off_t)(uintptr_t)&instruction) != 4) perror("mem"), exit(9);
    close(fd);
}

// Where the instruction is in the program's file.
static off_t file_offset(void) {
    extern char __executable_start[];
    return (char *)&instruction - __executable_start;
}

static uint32_t *alias(void) {
    int fd = open("/proc/self/exe", O_RDWR);
    off_t offset = file_offset();
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset & ~4095L);
    if (fd < 0 || page == MAP_FAILED) perror("alias"), exit(9);
    close(fd);
    return (uint32_t *)(page + (offset & 4095));
}

static void write_file(int fd) {
    if (fd < 0 || pwrite(fd, &two, 4, file_offset()) != 4) perror("write"), exit(9);
    close(fd);
}

// The instruction by way of the kernel, which takes the number of any thread for the process's.
static void write_vector(int thread) {
    struct iovec from = {(void *)&two, 4}, to = {&instruction, 4};
    void *page = (void *)((uintptr_t)&instruction & ~4095L);
    mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
    if (process_vm_writev(thread, &from, 1, &to, 1, 0) != 4) perror("process_vm_writev"), exit(9);
    mprotect(page, 8192, PROT_READ | PROT_EXEC);
}

static void *write_by_thread(void *nothing) {
    (void)nothing;
    write_vector((int)syscall(SYS_gettid));
    return NULL;
}

// A descriptor of the program's file that another process has opened.
static int receive(void) {
    int ends[2], fd = -1, status;
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) perror("socketpair"), exit(9);
    int child = fork();
    if (!child) {
        fd = open("/proc/self/exe", O_RDWR);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
        _exit(sendmsg(ends[0], &message, 0) != 1);
    }
    waitpid(child, &status, 0);
    if (recvmsg(ends[1], &message, 0) == 1) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void change(const char *how) {
    if (!strcmp(how, "wait")) {
        char byte;
        puts("ready"), fflush(stdout);
        if (read(0, &byte, 1) != 1) exit(9);
    } else if (!strcmp(how, "mem")) {
        write_memory(getpid(), two);
    } else if (!strcmp(how, "child")) {
        int process = getpid(), child = fork(), status;
        if (!child) write_memory(process, two), _exit(0);
        waitpid(child, &status, 0);
    } else if (!strcmp(how, "writev")) {
        write_vector(getpid());
    } else if (!strcmp(how, "thread")) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, write_by_thread, NULL)) perror("thread"), exit(9);
        pthread_join(thread, NULL);
    } else if (!strcmp(how, "write")) {
        write_file(open("/proc/self/exe", O_RDWR));
    } else if (!strcmp(how, "inherited")) {
        write_file(3);
    } else if (!strcmp(how, "received")) {
        write_file(receive());
    } else if (!strcmp(how, "alias") || !strcmp(how, "restored")) {
        *alias() = two;
    }
    synchronise();
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    // What is compiled before the change is another matter than what is compiled after it.
    if (argc > 2) printf("%ld\n", counted(200000));
    change(how);
    printf("%ld\n", counted(200000));
    if (!strcmp(how, "restored")) *alias() = one;
    if (!strcmp(how, "mem")) {
        write_memory(getpid(), one);
        synchronise();
        printf("%ld\n", counted(200000));
    }
    return 0;
}
