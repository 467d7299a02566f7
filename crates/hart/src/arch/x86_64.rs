//! x86-64: the text of fault-tolerant accesses, and where a signal frame keeps what we need.
//!
//! An access that may fault is one instruction between the labels `2` and `3`. Beside it, in the
//! section `rekindle_fixups`, stands a pair of self-relative offsets: of the instruction, and of a
//! stub that sets the fault flag and jumps to `3`. The signal handler looks the faulting instruction
//! up there and continues at the stub.

/// The index of `RIP` in a signal frame's `gregs`.
pub(crate) const RIP: usize = libc::REG_RIP as usize;
/// The index of `RDI`, which carries the first argument of a function, in `gregs`.
pub(crate) const RDI: usize = libc::REG_RDI as usize;
/// The index of `RSP`.
pub(crate) const RSP: usize = libc::REG_RSP as usize;
/// The index of `EFLAGS` in `gregs`.
pub(crate) const EFLAGS: usize = libc::REG_EFL as usize;
/// The direction flag, which the ABI wants clear at a function's entry.
pub(crate) const DIRECTION_FLAG: i64 = 0x400;

/// The text of one access that may fault: operand `fault` is 0 after success and 1 after a fault.
macro_rules! fallible_access {
    ($($line:literal),+ $(,)?) => {
        concat!(
            "xor {fault:e}, {fault:e}\n",
            "2:\n",
            $($line, "\n",)+
            "3:\n",
            ".pushsection .text.rekindle_fixup,\"ax\",@progbits\n",
            "4: mov {fault:e}, 1\n",
            "jmp 3b\n",
            ".popsection\n",
            ".pushsection rekindle_fixups,\"aR\",@progbits\n",
            ".balign 4\n",
            ".long 2b - .\n",
            ".long 4b - .\n",
            ".popsection\n",
        )
    };
}
pub(crate) use fallible_access;

/// Calls a function of one argument on another stack, 16-byte aligned.
macro_rules! call_on_stack {
    ($stack:expr, $function:path, $argument:expr) => {
        ::std::arch::asm!(
            "xchg rsp, r12",
            "call {function}",
            "mov rsp, r12",
            function = sym $function,
            inout("r12") $stack => _,
            in("rdi") $argument,
            clobber_abi("sysv64"),
        )
    };
}
pub(crate) use call_on_stack;
