//! The encoder against GNU `as`: random instructions, printed, assembled, compared by their bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use rv_isa::{
    Decoded, FpFormat, Inst, IntFormat, RoundingMode, decode, disassemble, encode,
    encode_compressed, instruction_len,
};

use crate::random::any_inst;

const ASSEMBLER: &str = "riscv64-linux-gnu-as";
const OBJCOPY: &str = "riscv64-linux-gnu-objcopy";
const MARCH: &str = "-march=rv64gc_zba_zbb_zbs_zicsr_zifencei_zihintpause";

#[test]
fn gnu_as_assembles_each_instruction_to_what_encode_makes_of_it() {
    let insts = random_insts(60_000);
    let lines: Vec<_> = insts
        .iter()
        .map(|&inst| (Decoded { inst, len: 4 }, encode(&inst).expect("in range")))
        .collect();
    assert_covers_every_mnemonic(&insts);
    let text = assemble("words", "norvc", &lines);
    let words: Vec<_> = text
        .chunks_exact(4)
        .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect();
    assert_eq!(words.len(), lines.len(), "one word for each line");
    for (word, (decoded, ours)) in words.iter().zip(&lines) {
        assert_eq!(word, ours, "{word:#010x} and {ours:#010x}: {decoded:?}");
    }
}

#[test]
fn gnu_as_assembles_each_half_word_from_its_spelling() {
    let lines: Vec<_> = (0..=u16::MAX)
        .filter(|half| instruction_len(*half) == 2)
        .filter_map(|half| Some((decode(u32::from(half))?, u32::from(half))))
        .filter(|(decoded, half)| {
            let chosen = encode_compressed(&decoded.inst).map(u32::from);
            chosen == Some(*half) && !is_hint(&decoded.inst)
        })
        .collect();
    assert!(
        lines.len() > 40_000,
        "only {} half-words have a spelling",
        lines.len()
    );
    let text = assemble("halves", "rvc", &lines);
    let halves: Vec<_> = text
        .chunks_exact(2)
        .map(|bytes| u16::from_le_bytes(bytes.try_into().expect("two bytes")))
        .collect();
    assert_eq!(halves.len(), lines.len(), "one half-word for each line");
    for (half, (decoded, ours)) in halves.iter().zip(&lines) {
        assert_eq!(
            u32::from(*half),
            *ours,
            "{half:#06x} and {ours:#06x}: {decoded:?}"
        );
    }
}

/// The same instructions in each run, less those that this assembler cannot spell.
fn random_insts(count: usize) -> Vec<Inst> {
    let mut runner = TestRunner::deterministic();
    let strategy = any_inst();
    let mut next = || {
        strategy
            .new_tree(&mut runner)
            .expect("no filters")
            .current()
    };
    std::iter::repeat_with(&mut next)
        .filter(has_spelling)
        .take(count)
        .collect()
}

/// Binutils 2.40 refuses a rounding mode where the conversion is exact, and a fence that orders
/// nothing.
fn has_spelling(inst: &Inst) -> bool {
    use FpFormat::Double;
    use IntFormat::{Word, WordUnsigned};
    match *inst {
        Inst::FpConvert { to: Double, rm, .. }
        | Inst::IntToFp {
            format: Double,
            int: Word | WordUnsigned,
            rm,
            ..
        } => rm == RoundingMode::Rne,
        Inst::Fence { fm: 0, pred, succ } => (pred != 0 && succ != 0) || (pred, succ) == (1, 0),
        _ => true,
    }
}

/// Whether a compressed encoding is a hint: `as` refuses some of them.
fn is_hint(inst: &Inst) -> bool {
    match *inst {
        Inst::AluImm { rd, rs1, imm, .. } => rd.is_zero() || (rd == rs1 && imm == 0),
        Inst::Alu { rd, .. } | Inst::Lui { rd, .. } => rd.is_zero(),
        _ => false,
    }
}

/// Assembles the text of each line, and returns the bytes of `.text`.
fn assemble(name: &str, rvc: &str, lines: &[(Decoded, u32)]) -> Vec<u8> {
    let mut source = format!(".option norelax\n.option {rvc}\n");
    for (decoded, _) in lines {
        writeln!(source, "{}", line(*decoded)).expect("a string grows");
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = |extension: &str| directory.join(format!("{name}.{extension}"));
    std::fs::write(path("s"), source).expect("the target directory is writable");
    run(Command::new(ASSEMBLER)
        .args([MARCH, "-o"])
        .arg(path("o"))
        .arg(path("s")));
    run(Command::new(OBJCOPY)
        .args(["-O", "binary", "-j", ".text"])
        .arg(path("o"))
        .arg(path("bin")));
    std::fs::read(path("bin")).expect("objcopy wrote it")
}

/// The text of an instruction. A target is written relative to the place where it stands, since
/// bare numbers would be addresses without a section.
fn line(decoded: Decoded) -> String {
    let text = disassemble(decoded, 0).to_string();
    match decoded.inst {
        Inst::Jal { offset, .. } | Inst::Branch { offset, .. } => {
            let end = text.rfind([',', '\t']).expect("jumps have operands") + 1;
            format!("{}.{offset:+}", &text[..end])
        }
        _ => text,
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not run ({error}): install binutils-riscv64-linux-gnu")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    let first: Vec<_> = errors.lines().take(20).collect();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        first.join("\n")
    );
}

/// A comparison that never sees an instruction says nothing about it.
fn assert_covers_every_mnemonic(insts: &[Inst]) {
    let seen: BTreeSet<_> = insts
        .iter()
        .map(|&inst| disassemble(Decoded { inst, len: 4 }, 0).to_string())
        .map(|text| text.split('\t').next().unwrap_or_default().to_owned())
        .collect();
    let missing: Vec<_> = crate::golden::mnemonics()
        .filter(|mnemonic| !seen.contains(*mnemonic))
        .collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}
