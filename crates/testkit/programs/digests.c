// SHA-256, CRC-32, Adler, FNV, a table-driven hash and an LZ77-like compressor with its decompressor.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t k[64];
static const uint8_t primes[64] = {2,   3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,  47,  53,
                                   59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103, 107, 109, 113, 127, 131,
                                   137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223,
                                   227, 229, 233, 239, 241, 251, 0};

static uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

// Not the standard's constants, but as good for a computation: they're drawn from the small primes.
static void constants(void) {
    for (int i = 0; i < 64; i++) k[i] = (uint32_t)(primes[i % 54] * 0x9e3779b1u) ^ turn(0x428a2f98u, i % 31 + 1);
}

static void sha_block(uint32_t h[8], const uint8_t *p) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[i * 4] << 24 | (uint32_t)p[i * 4 + 1] << 16 | (uint32_t)p[i * 4 + 2] << 8 | p[i * 4 + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t t2 = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

static uint32_t crc(const uint8_t *p, size_t len) {
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
            table[i] = c;
        }
    uint32_t c = ~0u;
    while (len--) c = table[(c ^ *p++) & 255] ^ c >> 8;
    return ~c;
}

// Each token: a flag byte, then a literal, or two bytes of distance and one of length.
static size_t compress(const uint8_t *in, size_t len, uint8_t *out) {
    static int32_t last[1 << 14];
    memset(last, -1, sizeof last);
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        size_t best = 0, from = 0;
        if (i + 4 <= len) {
            uint32_t four;
            memcpy(&four, in + i, 4);
            uint32_t slot = four * 2654435761u >> 18;
            if (last[slot] >= 0 && i - (size_t)last[slot] < 65536) {
                from = (size_t)last[slot];
                while (best < 255 && i + best < len && in[from + best] == in[i + best]) best++;
            }
            last[slot] = (int32_t)i;
        }
        if (best >= 4) {
            size_t distance = i - from;
            out[used++] = 1, out[used++] = (uint8_t)distance, out[used++] = (uint8_t)(distance >> 8);
            out[used++] = (uint8_t)best;
            i += best;
        } else {
            out[used++] = 0, out[used++] = in[i++];
        }
    }
    return used;
}

static size_t expand(const uint8_t *in, size_t len, uint8_t *out) {
    size_t made = 0;
    for (size_t i = 0; i < len;) {
        if (in[i]) {
            size_t distance = in[i + 1] | (size_t)in[i + 2] << 8;
            for (int n = in[i + 3]; n; n--, made++) out[made] = out[made - distance];
            i += 4;
        } else {
            out[made++] = in[i + 1];
            i += 2;
        }
    }
    return made;
}

int main(int argc, char **argv) {
    size_t len = (argc > 1 ? (size_t)atol(argv[1]) : 60) * 1024;
    uint8_t *data = malloc(len), *packed = malloc(len * 2 + 16), *back = malloc(len + 256);
    uint64_t seed = 1;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        data[i] = i > 100 && (seed >> 60) > 3 ? data[i - 37 - (seed >> 45 & 31)] : (uint8_t)(seed >> 33 & 63) + 32;
    }
    constants();
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (size_t i = 0; i + 64 <= len; i += 64) sha_block(h, data + i);
    for (int i = 0; i < 8; i++) printf("%08x", h[i]);
    printf("\ncrc %08x\n", crc(data, len));
    uint64_t fnv = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) fnv = (fnv ^ data[i]) * 1099511628211u;
    printf("fnv %016lx\n", fnv);
    size_t size = compress(data, len, packed);
    size_t restored = expand(packed, size, back);
    printf("%zu -> %zu -> %zu same %d crc %08x\n", len, size, restored, !memcmp(data, back, len), crc(packed, size));
    return 0;
}
