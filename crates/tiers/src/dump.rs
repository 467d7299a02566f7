//! A compiled region for people: guest instructions, and for each of them the CLIF and the host code
//! that it became, side by side.

use std::collections::BTreeMap;
use std::fmt::Write;

use cranelift_codegen::ir::{Function, Inst as ClifInst, SourceLoc};
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction as HostInst, IntelFormatter};
use rekindle::{Artifact, SectionKind, Target};

use crate::region::{End, Instruction, Region};

/// How wide the column of CLIF is. Longer lines push the host code to the right.
const CLIF_WIDTH: usize = 64;

/// The location of a region's instruction, by its number: 0 is what no instruction asked for.
pub(crate) fn location(number: usize) -> SourceLoc {
    SourceLoc::new(u32::try_from(number + 1).unwrap_or(0))
}

/// Whether the instruction at `pc` is part of the region, or what it ends before.
pub(crate) fn holds(region: &Region, pc: u64) -> bool {
    region
        .instructions()
        .any(|instruction| instruction.pc == pc)
        || region
            .blocks
            .iter()
            .any(|block| matches!(block.end, End::Leave { pc: end, .. } if end == pc))
}

/// The region's text, of which `function` is the CLIF that was compiled and `artifact` what came out.
pub(crate) fn text(region: &Region, function: &Function, artifact: &Artifact) -> String {
    let mut clif = clif_lines(function);
    let mut host = host_lines(artifact);
    let mut text = String::new();
    let guest: Vec<&Instruction> = region.instructions().collect();
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "{} at {:#x}: {} guest instructions, {} lines of CLIF, {} bytes of host code",
        artifact.name,
        region.head,
        guest.len(),
        clif.values().map(Vec::len).sum::<usize>(),
        artifact.text.bytes.len(),
    );
    text.push_str("; entry\n");
    write_group(&mut text, clif.remove(&0), host.remove(&0));
    for (number, instruction) in guest.into_iter().enumerate() {
        let location = location(number).bits();
        let _ = writeln!(text, "; {}", guest_line(instruction));
        write_group(&mut text, clif.remove(&location), host.remove(&location));
    }
    text
}

fn write_group(text: &mut String, clif: Option<Vec<String>>, host: Option<Vec<String>>) {
    let (clif, host) = (clif.unwrap_or_default(), host.unwrap_or_default());
    for line in 0..clif.len().max(host.len()) {
        let column = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
        let (left, right) = (column(&clif), column(&host));
        let _ = match right.is_empty() {
            true => writeln!(text, "  {left}"),
            false => writeln!(text, "  {left:CLIF_WIDTH$} | {right}"),
        };
    }
}

fn guest_line(instruction: &Instruction) -> String {
    let Instruction { pc, inst, next } = *instruction;
    let len = next.wrapping_sub(pc) as u8;
    let decoded = rv_isa::Decoded { inst, len };
    let words = rv_isa::disassemble(decoded, pc).to_string();
    format!("{pc:#x}  {}", words.replace('\t', " "))
}

/// The lines of each location, in the order in which they stand; a block's header stands with its
/// first instruction.
fn clif_lines(function: &Function) -> BTreeMap<u32, Vec<String>> {
    let mut lines: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for block in function.layout.blocks() {
        let params: Vec<String> = function
            .dfg
            .block_params(block)
            .iter()
            .map(|&value| format!("{value}: {}", function.dfg.value_type(value)))
            .collect();
        let mut header = Some(match params.is_empty() {
            true => format!("{block}:"),
            false => format!("{block}({}):", params.join(", ")),
        });
        for inst in function.layout.block_insts(block) {
            let of_location = lines.entry(clif_location(function, inst)).or_default();
            of_location.extend(header.take());
            of_location.push(format!("  {}", function.dfg.display_inst(inst)));
        }
    }
    lines
}

fn clif_location(function: &Function, inst: ClifInst) -> u32 {
    let location = function.srcloc(inst);
    if location.is_default() {
        0
    } else {
        location.bits()
    }
}

fn host_lines(artifact: &Artifact) -> BTreeMap<u32, Vec<String>> {
    let mut lines: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(true);
    options.set_rip_relative_addresses(true);
    for inst in Decoder::with_ip(64, &artifact.text.bytes, 0, DecoderOptions::NONE).iter() {
        let mut line = format!("{:#06x}  ", inst.ip());
        formatter.format(&inst, &mut line);
        if let Some(target) = target_of(artifact, &inst) {
            let _ = write!(line, "  ; {target}");
        }
        let offset = inst.ip() as u32;
        let location = artifact
            .source_locations
            .iter()
            .find(|range| (range.start..range.end).contains(&offset))
            .map_or(0, |range| range.location);
        lines.entry(location).or_default().push(line);
    }
    lines
}

/// What the linker will write into the instruction.
fn target_of(artifact: &Artifact, inst: &HostInst) -> Option<String> {
    let range = inst.ip()..inst.next_ip();
    let mut relocations = artifact.relocations.iter();
    let relocation = relocations.find(|relocation| {
        relocation.section == SectionKind::Text && range.contains(&u64::from(relocation.offset))
    })?;
    Some(match &relocation.target {
        Target::Symbol(name) => name.clone(),
        Target::Section(SectionKind::Bss) => {
            // The field is relative to its own end.
            format!("link slot {}", (relocation.addend + 4) / 8)
        }
        Target::Section(section) => format!("{section:?}"),
    })
}
