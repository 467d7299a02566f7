// What riscv-tests' user-level programs need of their surroundings, as a Linux process: one that
// passes exits with 0, one that fails with the number of the case that failed, or 255 where that
// doesn't fit.
#ifndef RISCV_TEST_H
#define RISCV_TEST_H

#define TESTNUM gp

#define RVTEST_RV64U
#define RVTEST_RV64UF fscsr zero

#define RVTEST_CODE_BEGIN                                                                          \
    .text;                                                                                         \
    .global _start;                                                                                \
    _start:                                                                                        \
    li TESTNUM, 0;

#define RVTEST_CODE_END ebreak

#define RVTEST_EXIT                                                                                \
    li a7, 94;                                                                                     \
    ecall;                                                                                         \
    ebreak

#define RVTEST_PASS                                                                                \
    li a0, 0;                                                                                      \
    RVTEST_EXIT

#define RVTEST_FAIL                                                                                \
    mv a0, TESTNUM;                                                                                \
    li a1, 255;                                                                                    \
    bltu a0, a1, 1f;                                                                               \
    mv a0, a1;                                                                                     \
    1:;                                                                                            \
    RVTEST_EXIT

#define EXTRA_DATA
#define RVTEST_DATA_BEGIN EXTRA_DATA .align 4; .global begin_signature; begin_signature:
#define RVTEST_DATA_END .align 4; .global end_signature; end_signature:

#endif
