// Something to debug: nested calls, a second thread, a signal.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

volatile long counter;
volatile int handled;
volatile double ratio = 0.5;

static void on_signal(int signal) { handled = signal; }

long inner(long value) {
    long doubled = value * 2;
    counter += doubled;
    return doubled;
}

long outer(long value) {
    long result = inner(value + 1);
    return result + 1;
}

static pthread_barrier_t barrier;

static void *work(void *argument) {
    long seen = *(long *)argument;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return (void *)(seen + counter);
}

int main(void) {
    long start = 20;
    long result = outer(start);
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    pthread_t thread;
    pthread_barrier_init(&barrier, 0, 2);
    pthread_create(&thread, 0, work, &start);
    pthread_barrier_wait(&barrier);
    inner(3);
    pthread_barrier_wait(&barrier);
    void *sum;
    pthread_join(thread, &sum);
    printf("result %ld, sum %ld, handled %d\n", result, (long)sum, handled);
    return (int)counter;
}
