// Reads standard input: counts lines, words and bytes, and the commonest words through a hash table.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Entry { struct Entry *next; char *word; int count; } Entry;
static Entry *table[1024];
static Entry *all[4096];
static int distinct;

static void count(const char *word) {
    uint32_t h = 2166136261u;
    for (const char *p = word; *p; p++) h = (h ^ (uint8_t)*p) * 16777619u;
    Entry **slot = &table[h % 1024];
    for (Entry *e = *slot; e; e = e->next)
        if (strcmp(e->word, word) == 0) {
            e->count++;
            return;
        }
    Entry *e = malloc(sizeof *e);
    *e = (Entry){*slot, strdup(word), 1};
    *slot = e;
    if (distinct < 4096) all[distinct++] = e;
}

static int by_count(const void *a, const void *b) {
    const Entry *x = *(Entry *const *)a, *y = *(Entry *const *)b;
    return x->count != y->count ? y->count - x->count : strcmp(x->word, y->word);
}

int main(void) {
    long lines = 0, words = 0, bytes = 0;
    char word[128];
    size_t len = 0;
    for (int c; (c = getchar()) != EOF; bytes++) {
        lines += c == '\n';
        if (isalpha(c) && len + 1 < sizeof word) word[len++] = (char)tolower(c);
        else if (len) {
            word[len] = 0;
            count(word);
            words++, len = 0;
        }
    }
    qsort(all, distinct, sizeof *all, by_count);
    printf("%ld lines, %ld words, %ld bytes, %d distinct\n", lines, words, bytes, distinct);
    for (int i = 0; i < distinct && i < 10; i++) printf("%5d %s\n", all[i]->count, all[i]->word);
    return distinct ? 0 : 3;
}
