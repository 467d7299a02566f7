// The shared object that Linux maps into every process: calls by name, and the code to which signal
// handlers return, with what an unwinder has to know of it.

#include <asm/unistd.h>

.text

.macro call name, number
    .globl \name
    .type \name, @function
    .balign 4
\name:
    .cfi_startproc
    li a7, \number
    ecall
    ret
    .cfi_endproc
    .size \name, . - \name
.endm

call __vdso_gettimeofday, __NR_gettimeofday
call __vdso_clock_gettime, __NR_clock_gettime
call __vdso_clock_getres, __NR_clock_getres
call __vdso_getcpu, __NR_getcpu
call __vdso_flush_icache, __NR_riscv_flush_icache
// Headers from before Linux 6.4 have no name for this number.
call __vdso_riscv_hwprobe, 258

// The frame is 128 bytes of siginfo and a ucontext whose registers begin at its byte 176: the PC,
// x1 to x31, then f0 to f31. An unwinder looks up the byte before a return address: hence the nop.
#define REGISTERS (128 + 176)

    .balign 4
    .cfi_startproc
    .cfi_signal_frame
    .cfi_def_cfa sp, 0
    .cfi_return_column 64
    .cfi_offset 64, REGISTERS
    .irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    .cfi_offset \number, REGISTERS + 8 * \number
    .cfi_offset 32 + \number, REGISTERS + 256 + 8 * \number
    .endr
    .cfi_offset 32, REGISTERS + 256
    nop
    .globl __vdso_rt_sigreturn
    .type __vdso_rt_sigreturn, @function
__vdso_rt_sigreturn:
    li a7, __NR_rt_sigreturn
    ecall
    .cfi_endproc
    .size __vdso_rt_sigreturn, . - __vdso_rt_sigreturn
