//! The disassembler against GNU `objdump`, over libraries that nobody here wrote.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rv_isa::{decode, disassemble};

const OBJDUMP: &str = "riscv64-linux-gnu-objdump";

#[test]
fn libc_disassembles_as_objdump_has_it() {
    assert!(compare("/usr/riscv64-linux-gnu/lib/libc.so.6") > 250_000);
}

#[test]
fn libm_disassembles_as_objdump_has_it() {
    assert!(compare("/usr/riscv64-linux-gnu/lib/libm.so.6") > 50_000);
}

#[test]
fn libstdcxx_disassembles_as_objdump_has_it() {
    assert!(compare("/usr/riscv64-linux-gnu/lib/libstdc++.so.6") > 250_000);
}

/// Compares all instructions of a library, and returns how many there are.
fn compare(library: &str) -> usize {
    let mut child = Command::new(OBJDUMP)
        .args([
            "-d",
            "-M",
            "no-aliases",
            "-j",
            ".text",
            "-j",
            ".plt",
            library,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{OBJDUMP} does not run ({error}): install binutils-riscv64-linux-gnu")
        });
    let output = BufReader::new(child.stdout.take().expect("a piped output"));
    let mut count = 0;
    let mut differing = Vec::new();
    for line in output.lines() {
        let line = line.expect("objdump writes UTF-8");
        let Some(row) = Row::parse(&line) else {
            continue;
        };
        count += 1;
        let ours = decode(row.word).map(|decoded| disassemble(decoded, row.pc).to_string());
        if ours.as_deref() != row.text {
            differing.push(format!("{line}\n    ours: {ours:?}"));
        }
    }
    assert!(
        child.wait().expect("objdump ends").success(),
        "{OBJDUMP} cannot read {library}"
    );
    assert!(
        differing.is_empty(),
        "{} of {count} differ:\n{}",
        differing.len(),
        differing[..differing.len().min(20)].join("\n")
    );
    count
}

/// One instruction as objdump has it.
struct Row<'a> {
    pc: u64,
    word: u32,
    /// Mnemonic and operands, or `None` where objdump knows of no instruction.
    text: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// Reads `   268c8:\t1141          \tc.addi\tsp,-16`; other lines are headings.
    fn parse(line: &'a str) -> Option<Self> {
        let (pc, rest) = line.split_once(":\t")?;
        let (word, text) = rest.split_once('\t')?;
        // Symbols and the comment on an address say nothing that the operands don't.
        let text = text.split(" <").next()?.split(" # ").next()?.trim_end();
        let mnemonic = text.split('\t').next()?;
        let unknown = mnemonic.starts_with('.') || matches!(mnemonic, "c.unimp" | "unimp");
        Some(Self {
            pc: u64::from_str_radix(pc.trim(), 16).ok()?,
            word: u32::from_str_radix(word.trim(), 16).ok()?,
            text: (!unknown).then_some(text),
        })
    }
}
