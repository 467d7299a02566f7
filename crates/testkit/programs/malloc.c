// Allocation in all sizes, with contents checked; small blocks, large mapped blocks, realloc, memalign.
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 512 };
static unsigned char *blocks[SLOTS];
static size_t sizes[SLOTS];
static uint64_t seed = 0x2545f4914f6cdd1d;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static int intact(int slot) {
    for (size_t i = 0; i < sizes[slot]; i += 1 + sizes[slot] / 16)
        if (blocks[slot][i] != (unsigned char)(slot + i)) return 0;
    return 1;
}

static void fill(int slot) {
    for (size_t i = 0; i < sizes[slot]; i++) blocks[slot][i] = (unsigned char)(slot + i);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 8000, damaged = 0, moved = 0;
    uint64_t total = 0;
    for (long round = 0; round < rounds; round++) {
        int slot = (int)(next_random() % SLOTS);
        size_t size = 1 + next_random() % (round % 251 == 0 ? 400000 : round % 17 == 0 ? 9000 : 300);
        if (blocks[slot] && !intact(slot)) damaged++;
        if (blocks[slot] && round % 3 == 0) {
            unsigned char *grown = realloc(blocks[slot], size);
            moved += grown != blocks[slot] ? 1 : 0;
            blocks[slot] = grown;
            if (sizes[slot] > size) sizes[slot] = size;
            if (!intact(slot)) damaged++;
        } else {
            free(blocks[slot]);
            blocks[slot] = round % 5 ? malloc(size) : calloc(1, size);
        }
        sizes[slot] = size;
        total += size;
        fill(slot);
    }
    for (int i = 0; i < SLOTS; i++) free(blocks[i]);
    int aligned = 1;
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        void *p = memalign(alignment, 100);
        aligned &= (uintptr_t)p % alignment == 0;
        free(p);
    }
    // A linked list long enough to walk the heap.
    struct Node { struct Node *next; long value; } *list = NULL;
    for (long i = 0; i < 20000; i++) {
        struct Node *node = malloc(sizeof *node);
        node->next = list, node->value = i;
        list = node;
    }
    long sum = 0;
    while (list) {
        struct Node *node = list;
        sum += node->value, list = node->next;
        free(node);
    }
    char *huge = malloc(40u << 20);
    memset(huge, 7, 40u << 20);
    sum += huge[(40 << 20) - 1];
    free(huge);
    printf("%lu damaged %ld aligned %d sum %ld moved-some %d\n", total, damaged, aligned, sum, moved > 0);
    return 0;
}
