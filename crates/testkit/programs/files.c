// Files and directories in the current directory: create, write, seek, read, list, stat, rename, link,
// truncate, remove, pipes and vectors. Names no inode and no time.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void report(const char *what, long result) {
    if (result < 0) printf("%s: %s\n", what, strerror(errno));
    else printf("%s: %ld\n", what, result);
}

static void streams(void) {
    FILE *f = fopen("lines.txt", "w+");
    for (int i = 0; i < 500; i++) fprintf(f, "line %d of %x\n", i, i * i);
    fseek(f, 0, SEEK_END);
    printf("length %ld\n", ftell(f));
    rewind(f);
    char line[64];
    long count = 0, longest = 0;
    while (fgets(line, sizeof line, f)) {
        count++;
        if ((long)strlen(line) > longest) longest = (long)strlen(line);
    }
    fseek(f, 100, SEEK_SET);
    fgets(line, sizeof line, f);
    printf("%ld lines, longest %ld, at 100: %s", count, longest, line);
    fclose(f);
    f = fopen("absent/file", "r");
    printf("%s\n", f ? "opened" : strerror(errno));
}

static void descriptors(void) {
    char buffer[64] = {0};
    int fd = open("raw.bin", O_RDWR | O_CREAT | O_EXCL, 0640);
    report("write", write(fd, "0123456789", 10));
    report("pwrite", pwrite(fd, "AB", 2, 4));
    report("lseek", lseek(fd, -3, SEEK_END));
    report("read", read(fd, buffer, sizeof buffer));
    printf("%s\n", buffer);
    struct iovec parts[3] = {{"one ", 4}, {"two ", 4}, {"three", 5}};
    report("writev", writev(fd, parts, 3));
    report("pread", pread(fd, buffer, sizeof buffer, 0));
    printf("%s\n", buffer);
    report("ftruncate", ftruncate(fd, 6000));
    struct stat st;
    report("fstat", fstat(fd, &st));
    printf("size %ld mode %o links %ld regular %d\n", (long)st.st_size, st.st_mode & 0777, (long)st.st_nlink,
           S_ISREG(st.st_mode));
    char *mapped = mmap(NULL, 6000, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("mapped %c %d\n", mapped[4], mapped[5999]);
    munmap(mapped, 6000);
    int copy = dup(fd);
    report("close", close(fd));
    report("lseek of copy", lseek(copy, 0, SEEK_CUR));
    close(copy);
    report("second create", open("raw.bin", O_RDWR | O_CREAT | O_EXCL, 0640));
    report("closed write", write(99, "x", 1));
    report("fcntl", fcntl(1, F_GETFD));
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path) {
    DIR *dir = opendir(path);
    char *names[64];
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) names[count++] = strdup(entry->d_name);
    closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) printf(" %s", names[i]);
    putchar('\n');
}

static void directories(void) {
    report("mkdir", mkdir("folder", 0755));
    report("mkdir again", mkdir("folder", 0755));
    report("rename", rename("raw.bin", "folder/moved.bin"));
    report("link", link("folder/moved.bin", "folder/linked.bin"));
    report("symlink", symlink("moved.bin", "folder/soft"));
    char target[64] = {0};
    report("readlink", readlink("folder/soft", target, sizeof target - 1));
    puts(target);
    list("folder");
    report("access", access("folder/soft", R_OK));
    report("access", access("folder/none", R_OK));
    report("chmod", chmod("folder/moved.bin", 0600));
    struct stat st;
    report("stat", stat("folder/soft", &st));
    printf("%o %ld\n", st.st_mode & 0777, (long)st.st_nlink);
    report("lstat", lstat("folder/soft", &st));
    printf("is a link: %d\n", S_ISLNK(st.st_mode));
    report("rmdir full", rmdir("folder"));
    unlink("folder/moved.bin"), unlink("folder/linked.bin"), unlink("folder/soft");
    report("chdir", chdir("folder"));
    char here[4096];
    char *last = getcwd(here, sizeof here) ? strrchr(here, '/') : NULL;
    puts(last ? last : "nowhere");
    report("chdir back", chdir(".."));
    report("rmdir", rmdir("folder"));
    report("unlink", unlink("lines.txt"));
    list(".");
}

static void pipes(void) {
    int ends[2];
    char buffer[32] = {0};
    report("pipe", pipe(ends));
    report("write", write(ends[1], "through the pipe", 16));
    close(ends[1]);
    report("read", read(ends[0], buffer, sizeof buffer));
    report("read at end", read(ends[0], buffer + 16, 4));
    puts(buffer);
    close(ends[0]);
    FILE *temporary = tmpfile();
    printf("tmpfile %d\n", temporary != NULL);
    fputs("x", temporary);
    fclose(temporary);
}

int main(void) {
    umask(022);
    streams();
    descriptors();
    directories();
    pipes();
    return 0;
}
