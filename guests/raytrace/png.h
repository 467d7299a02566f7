// A PNG writer without compression: the deflate stream holds stored blocks only.
#ifndef PNG_H
#define PNG_H
#include "../rt/rt.h"

// Writes `width * height` pixels of three bytes each to `path`; 0, or a negated errno.
i64 png_write(const char *path, const u8 *rgb, u32 width, u32 height);

#endif
