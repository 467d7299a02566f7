// A PNG writer without compression. Formats: PNG (ISO/IEC 15948), zlib (RFC 1950), deflate (RFC 1951).
#include "png.h"

static i64 file;
static u32 chunk_crc;
static u8 buffer[4096];
static usize buffered;
static i64 failure;

static u32 crc_step(u32 crc, u8 byte) {
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
    return crc;
}

static void flush(void) {
    i64 result = file_write_all(file, buffer, buffered);
    if (result < 0) failure = result;
    buffered = 0;
}

static void put(u8 byte) {
    chunk_crc = crc_step(chunk_crc, byte);
    if (buffered == sizeof buffer) flush();
    buffer[buffered++] = byte;
}

static void put_u32(u32 value) {
    for (int shift = 24; shift >= 0; shift -= 8) put((u8)(value >> shift));
}

static void chunk_start(u32 len, const char *name) {
    put_u32(len);
    chunk_crc = ~0u;
    for (int i = 0; i < 4; i++) put((u8)name[i]);
}

static void chunk_end(void) { put_u32(~chunk_crc); }

i64 png_write(const char *path, const u8 *rgb, u32 width, u32 height) {
    file = file_create(path);
    if (file < 0) return file;
    failure = 0;
    buffered = 0;
    const u8 signature[8] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10};
    for (int i = 0; i < 8; i++) put(signature[i]);

    chunk_start(13, "IHDR");
    put_u32(width);
    put_u32(height);
    put(8);  // bits per sample
    put(2);  // truecolour
    put(0), put(0), put(0);
    chunk_end();

    // One stored block per row: a filter byte and the pixels.
    u32 row = 1 + 3 * width;
    u32 a = 1, b = 0;  // Adler-32
    chunk_start(2 + height * (5 + row) + 4, "IDAT");
    put(0x78), put(0x01);
    for (u32 y = 0; y < height; y++) {
        put(y + 1 == height);
        put((u8)row), put((u8)(row >> 8));
        put((u8)~row), put((u8)(~row >> 8));
        for (u32 i = 0; i < row; i++) {
            u8 byte = i ? rgb[(usize)y * width * 3 + i - 1] : 0;
            a = (a + byte) % 65521;
            b = (b + a) % 65521;
            put(byte);
        }
    }
    put_u32(b << 16 | a);
    chunk_end();

    chunk_start(0, "IEND");
    chunk_end();
    flush();
    file_close(file);
    return failure;
}
