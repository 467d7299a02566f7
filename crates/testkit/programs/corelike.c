// The kinds of work that embedded benchmarks do, in our own code: linked lists, small matrices, a state
// machine over text, and a CRC over all results.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t crc16(uint16_t crc, uint16_t value) {
    for (int i = 0; i < 16; i++, value >>= 1) crc = (uint16_t)((crc ^ value) & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
    return crc;
}

typedef struct Item { struct Item *next; int16_t key, data; } Item;
enum { ITEMS = 120, SIDE = 10 };
static Item items[ITEMS];

static Item *merge_sort(Item *list, int by_data) {
    if (!list || !list->next) return list;
    Item *slow = list, *fast = list->next;
    while (fast && fast->next) slow = slow->next, fast = fast->next->next;
    Item *second = slow->next;
    slow->next = NULL;
    list = merge_sort(list, by_data);
    second = merge_sort(second, by_data);
    Item head, *tail = &head;
    while (list && second) {
        int first = by_data ? list->data <= second->data : list->key <= second->key;
        Item **from = first ? &list : &second;
        tail = tail->next = *from;
        *from = (*from)->next;
    }
    tail->next = list ? list : second;
    return head.next;
}

static uint16_t lists(int seed) {
    for (int i = 0; i < ITEMS; i++)
        items[i] = (Item){i + 1 < ITEMS ? &items[i + 1] : NULL, (int16_t)(i * 7919 + seed), (int16_t)(i * seed ^ 0x55)};
    Item *list = merge_sort(items, 1);
    uint16_t crc = 0;
    for (int find = 0; find < 40; find++) {
        Item *at = list;
        while (at && (at->data & 0xff) != (find * 5 & 0xff)) at = at->next;
        crc = crc16(crc, (uint16_t)(at ? at->key : find));
        Item *reversed = NULL;
        while (list) {
            Item *next = list->next;
            list->next = reversed, reversed = list, list = next;
        }
        list = reversed;
    }
    for (Item *at = merge_sort(list, 0); at; at = at->next) crc = crc16(crc, (uint16_t)at->data);
    return crc;
}

static uint16_t matrices(int seed) {
    int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    int32_t c[SIDE][SIDE];
    uint16_t crc = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) a[i][j] = (int16_t)(i * seed + j), b[i][j] = (int16_t)(j * 3 - i + seed);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIDE; k++) sum += (a[i][k] * b[k][j] >> 2 & 0xf) * (a[i][k] >> 5 & 0x7f);
            c[i][j] = sum + a[i][j] * seed;
            crc = crc16(crc, (uint16_t)c[i][j]);
        }
    return crc;
}

enum State { START, SIGN, WHOLE, POINT, FRACTION, EXPONENT, POWER, BAD, STATES };

static uint16_t machine(char *text, int seed) {
    unsigned counts[STATES] = {0}, moves[STATES] = {0};
    for (int round = 0; round < 2; round++) {
        for (char *p = text; *p;) {
            enum State state = START;
            for (; *p && *p != ','; p++) {
                char c = *p;
                enum State before = state;
                switch (state) {
                    case START: state = isdigit((unsigned char)c) ? WHOLE : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : BAD; break;
                    case SIGN: state = isdigit((unsigned char)c) ? WHOLE : c == '.' ? POINT : BAD; break;
                    case WHOLE: state = c == '.' ? POINT : c == 'e' ? EXPONENT : isdigit((unsigned char)c) ? WHOLE : BAD; break;
                    case POINT: case FRACTION: state = c == 'e' ? EXPONENT : isdigit((unsigned char)c) ? FRACTION : BAD; break;
                    case EXPONENT: state = c == '+' || c == '-' || isdigit((unsigned char)c) ? POWER : BAD; break;
                    case POWER: state = isdigit((unsigned char)c) ? POWER : BAD; break;
                    default: break;
                }
                if (state != before) moves[before]++;
            }
            counts[state]++;
            if (*p) p++;
        }
        for (char *p = text; *p; p += 11 + seed % 5) {
            if (*p != ',') *p ^= (char)(seed & 3);
            if (strlen(p) <= 16) break;
        }
    }
    uint16_t crc = 0;
    for (int i = 0; i < STATES; i++) crc = crc16(crc16(crc, (uint16_t)counts[i]), (uint16_t)moves[i]);
    return crc;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 40;
    uint16_t crc = 0;
    for (int round = 0; round < rounds; round++) {
        char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,"
                      "T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,x,,..,e5,77,3.14159,2.71828e0,-1,+1,0,00,1e1,9";
        crc = crc16(crc, lists(round % 50 + 1));
        crc = crc16(crc, matrices(round % 90 + 3));
        crc = crc16(crc, machine(text, round));
    }
    printf("%d rounds: %04x\n", rounds, crc);
    return 0;
}
