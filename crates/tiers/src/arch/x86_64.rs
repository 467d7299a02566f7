//! x86-64: the text of the entry trampoline, of the exits, and what MXCSR means.
//!
//! While compiled code runs, `r15` holds the guest state's address, and the carried guest registers
//! travel in `rdi rsi rdx rcx r8` wherever one region jumps to another or to an exit; `r9` holds a word for whoever is jumped to. The frame that [`enter_text`] builds (callee-
//! saved registers, and the host's MXCSR in the lowest slot) stays below all of them; its stack
//! pointer is kept in the state, so that a fault finds back.

/// How many guest registers travel in host registers: those of the first arguments, but one.
pub(crate) const CARRIED_LEN: usize = 5;

/// MXCSR with every exception masked, no flag, rounding to nearest.
pub(crate) const MXCSR_MASKED: u32 = 0x1f80;
/// MXCSR's exception flags.
pub(crate) const MXCSR_FLAGS: u32 = 0x3f;

/// MXCSR's rounding field for a guest rounding mode; one that the host lacks rounds to nearest.
pub(crate) const fn rounding_to_mxcsr(frm: u32) -> u32 {
    let field = match frm {
        1 => 3,
        2 => 1,
        3 => 2,
        _ => 0,
    };
    field << 13
}

/// The guest's exception flags for MXCSR's: invalid, (denormal,) divide, overflow, underflow,
/// precision from bit 0, against inexact, underflow, overflow, divide, invalid.
pub(crate) const fn flags_from_mxcsr(mxcsr: u32) -> u32 {
    (mxcsr & 1) << 4
        | (mxcsr >> 2 & 1) << 3
        | (mxcsr >> 3 & 1) << 2
        | (mxcsr >> 4 & 1) << 1
        | (mxcsr >> 5 & 1)
}

/// Turns the instruction `mov r64, [rip + field]`, whose field of 4 bytes is at `field`, into the
/// `lea` of the same operands. Returns whether it was that instruction.
pub(crate) fn load_becomes_address(text: &mut [u8], field: u32) -> bool {
    const MOV: u8 = 0x8b;
    const LEA: u8 = 0x8d;
    let Some(start) = (field as usize).checked_sub(3) else {
        return false;
    };
    let Some([prefix, opcode, operands]) = text.get_mut(start..start + 3) else {
        return false;
    };
    // REX.W with any register, the opcode, and a memory operand relative to RIP.
    let is_load = *prefix & 0xf8 == 0x48 && *opcode == MOV && *operands & 0xc7 == 0x05;
    if is_load {
        *opcode = LEA;
    }
    is_load
}

/// Takes the frame of [`enter_text`] down and returns `eax` to the engine.
macro_rules! leave_text {
    () => {
        "
        stmxcsr [r15 + {mxcsr}]
        ldmxcsr [rsp]
        add rsp, 8
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbx
        pop rbp
        ret
        "
    };
}

/// Enters the code in `rsi` with the state in `rdi`.
macro_rules! enter_text {
    () => {
        concat!(
            "
        push rbp
        push rbx
        push r12
        push r13
        push r14
        push r15
        sub rsp, 8
        mov r15, rdi
        mov rax, rsi
        mov [r15 + {host_stack}], rsp
        stmxcsr [rsp]
        ldmxcsr [r15 + {mxcsr}]
        mov rdi, [r15 + {carried_0}]
        mov rsi, [r15 + {carried_1}]
        mov rdx, [r15 + {carried_2}]
        mov rcx, [r15 + {carried_3}]
        mov r8, [r15 + {carried_4}]
        xor r9d, r9d
        call rax
        ",
            $crate::arch::x86_64::leave_text!()
        )
    };
}

/// Returns `{left}` from [`enter_text`] after a fault, with the state in `rdi`.
macro_rules! landing_text {
    () => {
        concat!(
            "
        mov r15, rdi
        mov rsp, [r15 + {host_stack}]
        mov eax, {left}
        ",
            $crate::arch::x86_64::leave_text!()
        )
    };
}

/// An exit: writes back what is carried and the word, and returns `{left}` to [`enter_text`].
macro_rules! exit_text {
    () => {
        "
        mov [r15 + {carried_0}], rdi
        mov [r15 + {carried_1}], rsi
        mov [r15 + {carried_2}], rdx
        mov [r15 + {carried_3}], rcx
        mov [r15 + {carried_4}], r8
        mov [r15 + {word}], r9
        mov eax, {left}
        ret
        "
    };
}

pub(crate) use {enter_text, exit_text, landing_text, leave_text};

#[cfg(test)]
mod tests {
    use super::*;

    /// `abi.rs` says which guest register has which position; the text must move each position between
    /// its field and the host register of the argument that compiled code takes it for.
    #[test]
    fn carried_registers_travel_in_the_hosts_first_arguments() {
        const HOST: [&str; CARRIED_LEN] = ["rdi", "rsi", "rdx", "rcx", "r8"];
        for (position, register) in HOST.iter().enumerate() {
            let field = format!("[r15 + {{carried_{position}}}]");
            for (text, moves) in [
                (enter_text!(), format!("mov {register}, {field}\n")),
                (exit_text!(), format!("mov {field}, {register}\n")),
            ] {
                assert_eq!(text.matches(&field).count(), 1, "{field}");
                assert!(text.contains(&moves), "{moves}");
                assert_eq!(text.matches("{carried_").count(), CARRIED_LEN);
            }
        }
    }

    #[test]
    fn flags_are_the_guests() {
        assert_eq!(flags_from_mxcsr(MXCSR_MASKED), 0);
        let pairs = [(1, 16), (2, 0), (4, 8), (8, 4), (16, 2), (32, 1)];
        for (host, guest) in pairs {
            assert_eq!(flags_from_mxcsr(MXCSR_MASKED | host), guest);
        }
    }
}
