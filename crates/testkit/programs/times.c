// Time functions: calendar arithmetic to the letter; clocks only by what must hold of them.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    setenv("TZ", "UTC0", 1);
    tzset();
    static const time_t moments[] = {0, 1, 86399, 951782400, 1000000000, 1709164800, 2147483647, 4102444800, -1};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        struct tm tm;
        char text[128];
        gmtime_r(&moments[i], &tm);
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %A %j %U %G-W%V %p %e %b", &tm);
        printf("%s back %d\n", text, timegm(&tm) == moments[i]);
    }
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) fputs(ctime(&moments[i]), stdout);
    struct tm odd = {.tm_year = 124, .tm_mon = 13, .tm_mday = 35, .tm_hour = 25, .tm_isdst = -1};
    printf("%ld\n", (long)mktime(&odd));
    struct tm parsed;
    memset(&parsed, 0, sizeof parsed);
    printf("%d %d\n", strptime("12 Mar 1999 07:08:09", "%d %b %Y %H:%M:%S", &parsed) != NULL, parsed.tm_yday);

    struct timespec first, second, resolution;
    clock_gettime(CLOCK_MONOTONIC, &first);
    struct timespec nap = {0, 2000000};
    printf("slept %d\n", nanosleep(&nap, NULL));
    clock_gettime(CLOCK_MONOTONIC, &second);
    long elapsed = (second.tv_sec - first.tv_sec) * 1000000000 + second.tv_nsec - first.tv_nsec;
    printf("at least 2 ms: %d\n", elapsed >= 2000000);
    printf("resolution %d\n", clock_getres(CLOCK_REALTIME, &resolution));
    struct timeval now;
    gettimeofday(&now, NULL);
    printf("after 2020: %d, seconds agree: %d\n", now.tv_sec > 1577836800, labs(time(NULL) - now.tv_sec) <= 1);
    printf("clock runs: %d\n", clock() >= 0);
    usleep(100);
    return 0;
}
