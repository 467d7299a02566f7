// The programs that are built into the Lisp, from the files in demos/.
#include "lisp.h"

#define DEMO(name)                                                              \
    __asm__(".section .rodata\n" #name "_text: .incbin \"lisp/demos/" #name ".lisp\"\n" \
            #name "_end: .byte 0\n.text\n");                                    \
    extern const char name##_text[], name##_end[];

DEMO(queens)
DEMO(mandelbrot)
DEMO(life)
DEMO(derive)

const Demo demos[] = {
    {"queens", queens_text, queens_end},
    {"mandelbrot", mandelbrot_text, mandelbrot_end},
    {"life", life_text, life_end},
    {"derive", derive_text, derive_end},
    {NULL, NULL, NULL},
};
