//! What a RISC-V instruction does: the state of a hart, the door to guest memory, floating point in
//! software, and the interpreter that is the judge of compiled code.
//!
//! Guest addresses are host addresses, below [`guest_memory::GUEST_END`]. This crate knows neither
//! Linux's system calls nor compilation: the interpreter stops with an [`Exit`], and whoever calls it
//! acts on that.
//!
//! ```
//! use rekindle_hart::guest_memory::{Pages, store32};
//! use rekindle_hart::{CodeRange, Exit, GuestState, Interpreter, faults};
//! use rv_isa::{AluImmOp, Inst, XReg};
//!
//! faults::install(None, None);
//! let code = Pages::map(4096)?;
//! let add = Inst::AluImm { op: AluImmOp::Addi, rd: XReg::A0, rs1: XReg::A0, imm: 2 };
//! let mut pc = code.range().start;
//! for inst in [add, Inst::Ecall] {
//!     store32(pc, rv_isa::encode(&inst).expect("it encodes")).expect("it is mapped");
//!     pc += 4;
//! }
//!
//! let mut state = GuestState::new();
//! state.pc = code.range().start;
//! state.x[10] = 40;
//! let range = code.range();
//! let executable = |pc| {
//!     let range = range.clone();
//!     range.contains(&pc).then_some(CodeRange { range, is_fixed: true })
//! };
//! let exit = Interpreter::new(false).run(&mut state, &executable, false);
//! assert_eq!((exit, state.x[10]), (Exit::Syscall, 42));
//! # Ok::<(), std::io::Error>(())
//! ```

mod arch;
pub mod attention;
mod exit;
pub mod faults;
mod fetch;
pub mod float;
pub mod guest_memory;
mod interpreter;
mod state;

pub use exit::{Exit, FaultKind, GuestFault};
pub use fetch::fetch;
pub use interpreter::{CodeRange, Executable, Interpreter, TIMER_HZ, faulting_part};
pub use state::{GuestState, offsets};
