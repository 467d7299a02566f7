//! Pieces come and go.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rekindle::Digest;
use rekindle_hart::guest_memory::{Pages, copy_in, store32};
use rekindle_hart::{Exit, FaultKind, GuestFault, GuestState, Interpreter, faults};
use rv_isa::{AluImmOp, FReg, FpBinaryOp, FpFormat, Inst, LoadOp, RoundingMode, XReg};

use super::Quick;
use crate::code_module::{CodeModule, ReadText};
use crate::translator::{Entered, Translator};

/// A file whose text is all that there is.
#[derive(Debug)]
struct Text([Range<u64>; 1]);

impl CodeModule for Text {
    fn base(&self) -> u64 {
        0
    }

    fn name(&self) -> String {
        "text".to_owned()
    }

    fn digest(&self) -> Digest {
        Digest::of(b"text")
    }

    fn text_ranges(&self) -> &[Range<u64>] {
        &self.0
    }

    fn original_text(&self) -> ReadText {
        Box::new(|bytes, address| copy_in(bytes, address).is_ok())
    }

    fn region_name(&self, _: u64) -> String {
        "text".to_owned()
    }

    fn function(&self, _: &str) -> Option<u64> {
        None
    }
}

/// A guest with text, and a tier that has seen its first block.
struct Guest {
    pages: Pages,
    quick: Quick,
    interpreter: Interpreter,
    state: Box<GuestState>,
}

impl Guest {
    fn new(program: &[Inst]) -> Self {
        faults::install(None, None);
        let mut guest = Self {
            pages: Pages::map(4096).expect("memory"),
            quick: Quick::new().expect("a host with the instructions"),
            interpreter: Interpreter::new(true),
            state: GuestState::new(),
        };
        guest.write(program);
        guest.note();
        guest
    }

    fn start(&self) -> u64 {
        self.pages.range().start
    }

    fn write(&mut self, program: &[Inst]) {
        for (index, inst) in program.iter().enumerate() {
            let word = rv_isa::encode(inst).expect("it encodes");
            store32(self.start() + 4 * index as u64, word).expect("it is mapped");
        }
    }

    /// Says that the first block was decoded.
    fn note(&mut self) {
        let range = self.pages.range();
        let modules = |pc| {
            let text: Arc<dyn CodeModule> = Arc::new(Text([range.clone()]));
            range.contains(&pc).then_some(text)
        };
        let start = self.start();
        self.quick
            .note_decoded(start, &modules, &mut self.interpreter);
    }

    /// Runs from the start; returns how it ended, and `a0`.
    fn run(&mut self) -> (Entered, u64) {
        (self.state.pc, self.state.x[10]) = (self.start(), 0);
        let entered = self.quick.enter(&mut self.state);
        (entered, self.state.x[10])
    }

    fn generation(&self) -> u64 {
        self.quick.shared.generation.load(Ordering::Relaxed)
    }

    fn pieces(&self) -> usize {
        self.quick.shared.lock().len()
    }
}

fn add(imm: i32) -> Inst {
    let (op, rd, rs1) = (AluImmOp::Addi, XReg::A0, XReg::A0);
    Inst::AluImm { op, rd, rs1, imm }
}

const SYSCALL: Entered = Entered::Exit(Exit::Syscall);

#[test]
fn code_of_other_bytes_than_memory_holds_is_entered_no_more() {
    let mut guest = Guest::new(&[add(1), Inst::Ecall]);
    assert_eq!(guest.run(), (SYSCALL, 1));
    guest.write(&[add(2)]);
    assert_eq!(guest.run(), (SYSCALL, 1), "nobody has said so");
    guest.quick.check_sources();
    assert_eq!(guest.run(), (SYSCALL, 2));
    guest.quick.check_sources();
    assert_eq!(guest.pieces(), 2, "one that was removed may still run");
    guest.quick.retire(guest.quick.removals());
    assert_eq!(guest.pieces(), 1);
    assert_eq!(guest.run(), (SYSCALL, 2));
}

#[test]
fn what_isn_t_mapped_any_more_is_no_module_s() {
    let mut guest = Guest::new(&[add(1), Inst::Ecall]);
    assert_eq!(guest.run(), (SYSCALL, 1));
    let start = guest.start();
    // A thread that knew the code forgets it, too.
    let mut other = guest.quick.for_thread();
    assert_eq!(other.enter(&mut guest.state), SYSCALL, "each is an entry");
    guest.quick.invalidate(&(start + 4..start + 8));
    assert_eq!(guest.run().0, Entered::NotCompiled);
    guest.state.pc = start;
    assert_eq!(other.enter(&mut guest.state), Entered::NotCompiled);
    guest.note();
    assert_eq!(guest.run(), (SYSCALL, 1));
    guest.quick.invalidate(&(start + 0x100..start + 0x200));
    assert_eq!(guest.run().0, SYSCALL, "what wasn't touched stays");
}

#[test]
fn a_rounding_mode_that_the_host_lacks_is_the_interpreter_s() {
    let sum = Inst::FpBinary {
        op: FpBinaryOp::Add,
        format: FpFormat::Double,
        rm: RoundingMode::Dyn,
        rd: FReg::new(0),
        rs1: FReg::new(1),
        rs2: FReg::new(2),
    };
    let mut guest = Guest::new(&[sum, Inst::Ecall]);
    guest.state.frm = 4;
    assert_eq!(guest.run().0, Entered::Step);
    assert_eq!(guest.state.pc, guest.start());
    guest.state.frm = 3;
    assert_eq!(guest.run().0, SYSCALL);
}

#[test]
fn what_was_removed_is_removed_once() {
    let mut guest = Guest::new(&[add(1), Inst::Ecall]);
    assert_eq!(guest.run(), (SYSCALL, 1));
    guest.write(&[add(2)]);
    guest.quick.check_sources();
    let first = guest.quick.removals();
    let generation = guest.generation();
    guest.quick.check_sources();
    guest.quick.invalidate(&(0..u64::MAX));
    assert_eq!(guest.generation(), generation, "nobody has to forget more");
    guest.quick.retire(first);
    guest.note();
    assert_eq!(guest.run(), (SYSCALL, 2));
    guest.quick.retire(guest.quick.removals());
    assert_eq!(guest.pieces(), 1, "it was never removed");
    let mut other = guest.quick.for_thread();
    guest.state.pc = guest.start();
    assert_eq!(other.enter(&mut guest.state), SYSCALL);
}

/// Who sees that something was removed, and waits for all threads, frees it: none of them may take it for
/// present then.
#[test]
fn a_removal_that_is_seen_is_one_that_threads_hear_of() {
    let mut guest = Guest::new(&[add(1), Inst::Ecall]);
    let all = 0..u64::MAX;
    let shared = Arc::clone(&guest.quick.shared);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut agrees = true;
            while !is_over.load(Ordering::Relaxed) {
                let pieces = shared.lock();
                agrees &= pieces.removed_len() == shared.generation.load(Ordering::Relaxed);
            }
            agrees
        });
        for _ in 0..2000 {
            guest.quick.invalidate(&all);
            guest.note();
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(watcher.join().expect("it didn't panic"));
    });
}

#[test]
fn the_memory_of_what_was_retired_is_used_again() {
    let mut guest = Guest::new(&[add(1), Inst::Ecall]);
    let start = guest.start();
    let mut places = Vec::new();
    for _ in 0..100 {
        assert_eq!(guest.run(), (SYSCALL, 1));
        let place = guest.quick.entry(start).expect("it has run");
        if !places.contains(&place) {
            places.push(place);
        }
        guest.quick.invalidate(&(start..start + 4));
        guest.quick.retire(guest.quick.removals());
        guest.note();
    }
    assert!(places.len() < 3, "it grows: {places:x?}");
}

#[test]
fn a_module_is_known_once_though_nothing_of_it_can_be_translated() {
    let mut guest = Guest::new(&[add(1), Inst::Ecall]);
    let before = guest.quick.shared.lock().modules_len();
    let unmapped = 0x1000..0x2000;
    let modules = |_| {
        let text: Arc<dyn CodeModule> = Arc::new(Text([unmapped.clone()]));
        Some(text)
    };
    for pc in [0x1000, 0x1004, 0x1000] {
        guest
            .quick
            .note_decoded(pc, &modules, &mut guest.interpreter);
    }
    assert_eq!(guest.quick.shared.lock().modules_len(), before + 1);
}

#[test]
fn a_jump_to_what_stands_for_no_code_is_one_to_nowhere() {
    let jump = Inst::Jalr {
        rd: XReg::ZERO,
        rs1: XReg::ZERO,
        offset: -1,
    };
    let mut guest = Guest::new(&[jump]);
    assert_eq!(guest.run().0, Entered::Exit(Exit::Dispatch));
    assert_eq!(guest.state.pc, u64::MAX - 1);
}

const LOAD: Inst = Inst::Load {
    op: LoadOp::Ld,
    rd: XReg::A0,
    rs1: XReg::A0,
    offset: 0,
};

#[test]
fn a_fault_is_that_of_the_instruction_s_access() {
    let mut guest = Guest::new(&[add(8), LOAD]);
    let fault = GuestFault {
        address: 8,
        kind: FaultKind::Segmentation,
    };
    assert_eq!(guest.run(), (Entered::Exit(Exit::Fault(fault)), 8));
    assert_eq!(guest.state.pc, guest.start() + 4);
}

/// With a guest PC from before it would be told of the wrong instruction, as if that was the guest's fault.
#[test]
#[should_panic(expected = "of no piece")]
fn a_fault_in_code_that_nobody_knows_is_the_engine_s() {
    let mut guest = Guest::new(&[add(8), LOAD]);
    guest.quick.entry(guest.start());
    let _kept = guest.quick.shared.lock().take_tables();
    guest.run();
}
