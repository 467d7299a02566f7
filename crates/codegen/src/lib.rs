//! What `cranelift-codegen` compiled, as artifacts.
//!
//! Fronts that use Cranelift share this, and nothing below them knows it: each version of Cranelift has
//! a version of this crate, whose number names it.
//!
//! Cranelift names what code refers to by `ExternalName`s, whose meaning only the front knows; it
//! says so with a closure. Addends are Cranelift's own: for x86's PC-relative fields they contain
//! the −4 that leads from the field's start to the next instruction, as ELF's do.

#![forbid(unsafe_code)]

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::gimli::RunTimeEndian;
use cranelift_codegen::gimli::constants::{DW_EH_PE_pcrel, DW_EH_PE_sdata4};
use cranelift_codegen::gimli::write::{Address, EhFrame, EndianVec, FrameTable};
use cranelift_codegen::ir::ExternalName;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::UnwindInfo as CraneliftUnwind;
use cranelift_codegen::{CompiledCode, FinalizedMachReloc, FinalizedRelocTarget, MachSrcLoc};
use rekindle_artifact::{
    Artifact, Relocation, RelocationKind, Section, SectionKind, Signature, SourceLocation, Target,
    Trap, UnwindInfo,
};

/// What tells builds of Cranelift apart, for environments: its version, and the number that Rust gives
/// to one of its types. That is made of the crate, which Cargo names by version, features and the names
/// of all that it depends on, down to the register allocator. Contents are no part of it, so this is no
/// mark by itself: environments hold besides what seals those.
pub fn compiler() -> String {
    let id = core::any::TypeId::of::<cranelift_codegen::Context>();
    format!("cranelift {} {id:?}", cranelift_codegen::VERSION)
}

/// What Cranelift's output doesn't say.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The artifact's name, for people and tools.
    pub name: String,
    /// What other artifacts refer to the entry point by, if any does.
    pub symbol: Option<String>,
    /// The entry point's type.
    pub signature: Signature,
    /// What compiling cost, in nanoseconds.
    pub compile_time_ns: u64,
}

/// Compiled code can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A relocation that images don't know. Compile position-independent code without
    /// thread-local storage.
    #[error("relocation {kind} at offset {offset:#x} isn't supported")]
    UnsupportedRelocation {
        /// Cranelift's name for the relocation.
        kind: String,
        /// Where it stands, in bytes from the start of the text.
        offset: u32,
    },
    /// The closure had no target for a name that the code refers to.
    #[error("nothing is known about {name}, to which offset {offset:#x} refers")]
    UnknownName {
        /// The name as Cranelift prints it.
        name: String,
        /// Where the reference stands, in bytes from the start of the text.
        offset: u32,
    },
    /// Cranelift can't express the frame's layout.
    #[error("no unwind information: {0}")]
    Unwind(String),
}

/// Converts one compiled function. Data that it refers to is the caller's to add: set `rodata`,
/// `data` or `bss` of the result, and let `names` give `Target::Section` for it.
///
/// Compile with `is_pic`, or Cranelift puts absolute addresses into the text. Declare the artifact's
/// own data as colocated or not, as you like: Cranelift loads addresses from cells all the same, and
/// the linker rewrites such loads. Functions may be declared as colocated wherever they are: calls of
/// those are direct, and go through a veneer if they have to.
///
/// `isa` is the one that compiled; its `unwind_info` setting decides whether there is unwind
/// information.
///
/// # Errors
/// See [`ConvertError`]; the code can then run only in the process that made it.
pub fn artifact_from_compiled(
    description: Description,
    compiled: &CompiledCode,
    isa: &dyn TargetIsa,
    names: &dyn Fn(&ExternalName) -> Option<Target>,
) -> Result<Artifact, ConvertError> {
    let Description {
        name,
        symbol,
        signature,
        compile_time_ns,
    } = description;
    let relocations = compiled
        .buffer
        .relocs()
        .iter()
        .map(|relocation| convert_relocation(relocation, names))
        .collect::<Result<Vec<_>, _>>()?;
    let align = compiled
        .buffer
        .alignment
        .max(isa.function_alignment().minimum);
    Ok(Artifact {
        name,
        symbol,
        signature,
        text: Section {
            bytes: compiled.code_buffer().to_vec(),
            align,
        },
        relocations,
        unwind: convert_unwind(compiled, isa)?,
        traps: convert_traps(compiled),
        source_locations: convert_source_locations(compiled),
        compile_time_ns,
        ..Artifact::default()
    })
}

fn convert_relocation(
    relocation: &FinalizedMachReloc,
    names: &dyn Fn(&ExternalName) -> Option<Target>,
) -> Result<Relocation, ConvertError> {
    let FinalizedMachReloc {
        offset,
        kind,
        target,
        addend,
    } = relocation;
    let kind = convert_kind(*kind).ok_or_else(|| ConvertError::UnsupportedRelocation {
        kind: kind.to_string(),
        offset: *offset,
    })?;
    let (target, base) = match target {
        FinalizedRelocTarget::Func(offset) => {
            (Target::Section(SectionKind::Text), i64::from(*offset))
        }
        FinalizedRelocTarget::ExternalName(name) => {
            let target = names(name).ok_or_else(|| ConvertError::UnknownName {
                name: name.display(None).to_string(),
                offset: *offset,
            })?;
            (target, 0)
        }
    };
    let addend = addend.wrapping_add(base);
    Ok(Relocation {
        section: SectionKind::Text,
        offset: *offset,
        kind,
        target,
        addend,
    })
}

/// Our name for one of Cranelift's relocations, if images know it.
fn convert_kind(kind: Reloc) -> Option<RelocationKind> {
    Some(match kind {
        Reloc::Abs8 => RelocationKind::Abs64,
        Reloc::X86PCRel4 => RelocationKind::X86Pc32,
        // In position-independent code Cranelift uses this form for calls and jumps alone, so a
        // veneer may stand in between.
        Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => RelocationKind::X86Plt32,
        Reloc::X86GOTPCRel4 => RelocationKind::X86GotPc32,
        Reloc::Arm64Call => RelocationKind::Arm64Call26,
        Reloc::Aarch64AdrGotPage21 => RelocationKind::Arm64AdrGotPage,
        Reloc::Aarch64Ld64GotLo12Nc => RelocationKind::Arm64Ld64GotLo12,
        Reloc::Aarch64AdrPrelPgHi21 => RelocationKind::Arm64AdrPage,
        Reloc::Aarch64AddAbsLo12Nc => RelocationKind::Arm64AddLo12,
        _ => return None,
    })
}

fn convert_traps(compiled: &CompiledCode) -> Vec<Trap> {
    let mut traps: Vec<Trap> = compiled
        .buffer
        .traps()
        .iter()
        .map(|trap| Trap {
            offset: trap.offset,
            code: u16::from(trap.code.as_raw().get()),
        })
        .collect();
    traps.sort_by_key(|trap| trap.offset);
    traps.dedup_by_key(|trap| trap.offset);
    traps
}

/// Source locations with a value; ranges with the same location that touch become one.
fn convert_source_locations(compiled: &CompiledCode) -> Vec<SourceLocation> {
    let mut locations: Vec<SourceLocation> = Vec::new();
    for MachSrcLoc { start, end, loc } in compiled.buffer.get_srclocs_sorted() {
        if loc.is_default() || start >= end {
            continue;
        }
        match locations.last_mut() {
            Some(last) if last.end == *start && last.location == loc.bits() => last.end = *end,
            Some(last) if last.end > *start => {}
            _ => locations.push(SourceLocation {
                start: *start,
                end: *end,
                location: loc.bits(),
            }),
        }
    }
    locations
}

fn convert_unwind(
    compiled: &CompiledCode,
    isa: &dyn TargetIsa,
) -> Result<Option<UnwindInfo>, ConvertError> {
    if !isa.flags().unwind_info() {
        return Ok(None);
    }
    let failed = |error: &dyn std::fmt::Display| ConvertError::Unwind(error.to_string());
    let info = compiled
        .create_unwind_info(isa)
        .map_err(|error| failed(&error))?;
    let (Some(CraneliftUnwind::SystemV(info)), Some(mut cie)) = (info, isa.create_systemv_cie())
    else {
        return Ok(None);
    };
    cie.fde_address_encoding = DW_EH_PE_pcrel | DW_EH_PE_sdata4;
    let mut table = FrameTable::default();
    let cie = table.add_cie(cie);
    table.add_fde(cie, info.to_fde(Address::Constant(0)));
    let mut section = EhFrame(EndianVec::new(RunTimeEndian::Little));
    table
        .write_eh_frame(&mut section)
        .map_err(|error| failed(&error))?;
    let eh_frame = section.0.into_vec();
    // The CIE's length stands first; after it come the FDE's length, its distance to the CIE, and
    // the initial location.
    let cie_len = eh_frame
        .first_chunk::<4>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let location_field = cie_len.saturating_add(12);
    Ok(Some(UnwindInfo {
        eh_frame,
        location_field,
    }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_compiler_is_told_apart_by_more_than_its_version() {
        let compiler = super::compiler();
        assert!(compiler.contains(cranelift_codegen::VERSION));
        assert!(compiler.contains("TypeId("), "{compiler}");
    }
}
