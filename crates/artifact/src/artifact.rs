//! An artifact: the compiled, relocatable form of one function or region.

use std::borrow::Cow;

/// Code and data that one compilation made, with everything needed to place it anywhere.
///
/// An artifact holds no host address: an address enters code only through a [`Relocation`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifact {
    /// What the code is, for people and tools: `fib@clj`, `guest:0x1052c+3`.
    pub name: String,
    /// The name by which other code refers to the entry point, if any does: what a
    /// [`Target::Symbol`] says. Code of one image that calls it is linked to it directly.
    pub symbol: Option<String>,
    /// Identifies the entry point's calling convention and parameter types.
    pub signature: Signature,
    /// Machine code; the entry point is its first byte.
    pub text: Section,
    /// Constants: jump tables, constant pools.
    pub rodata: Section,
    /// Initialised writable data, private to each process.
    pub data: Section,
    /// Zero-initialised writable data, private to each process.
    pub bss: ZeroSection,
    /// Places to patch.
    pub relocations: Vec<Relocation>,
    /// Call frame information for `text`.
    pub unwind: Option<UnwindInfo>,
    /// Instructions that may trap, by offset, ascending.
    pub traps: Vec<Trap>,
    /// Where the code came from, by ranges of offsets, ascending and disjoint.
    pub source_locations: Vec<SourceLocation>,
    /// What the front keeps beside the code (stack maps, exception tables); opaque here.
    pub metadata: Vec<u8>,
    /// What compiling cost, in nanoseconds.
    pub compile_time_ns: u64,
    /// What the key was made of, for people who wonder why another key is another; may be empty.
    pub key_parts: Vec<KeyPart>,
}

/// A part of what a key was made of: what it is, and a number that tells its contents from others.
/// Nothing but an explanation depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPart {
    /// What the part is: `signature`, `body`.
    pub name: Cow<'static, str>,
    /// A hash of its contents.
    pub hash: u64,
    /// What the part consists of, in order, as far as its maker says so.
    pub items: KeyItems,
}

/// What a part of a key consists of, in brief.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyItems {
    /// What items are, in short: `iconst.i64 5`, `function f`. Each once, since many are the same.
    pub texts: Vec<Cow<'static, str>>,
    /// The items.
    pub items: Vec<KeyItem>,
    /// How many things each item stands for, from the one whose text it has; zero if there are no items.
    pub stride: u32,
}

/// An item of a part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyItem {
    /// The number of its text.
    pub text: u32,
    /// A small hash of all that it is.
    pub hash: u8,
}

impl KeyItems {
    /// What an item is; empty if there is no such item.
    pub fn text(&self, index: usize) -> &str {
        let item = self.items.get(index);
        let text = item.and_then(|item| self.texts.get(item.text as usize));
        text.map_or("", |text| text)
    }
}

/// The identity of a calling convention with its parameter types, chosen by the front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature(pub u64);

/// Bytes with an alignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The contents.
    pub bytes: Vec<u8>,
    /// Alignment in bytes, a power of two.
    pub align: u32,
}

/// A size with an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroSection {
    /// The size in bytes.
    pub size: u32,
    /// Alignment in bytes, a power of two.
    pub align: u32,
}

/// Names one of an artifact's own sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// Machine code.
    Text,
    /// Constants.
    Rodata,
    /// Initialised writable data.
    Data,
    /// Zero-initialised writable data.
    Bss,
}

/// A place to patch once addresses are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// The section that is patched: text, rodata or data.
    pub section: SectionKind,
    /// Where in that section the field starts, in bytes.
    pub offset: u32,
    /// How the value is computed and stored.
    pub kind: RelocationKind,
    /// What the value refers to.
    pub target: Target,
    /// Added to the target's address.
    pub addend: i64,
}

/// What a relocation refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One of the artifact's own sections, at its start.
    Section(SectionKind),
    /// A name that the process resolves.
    Symbol(String),
}

/// How a relocated value is computed and stored. S is the target, A the addend, P the patched
/// place, G the target's cell in the global offset table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelocationKind {
    /// 64 bits: S + A.
    Abs64,
    /// x86-64, 32 bits: S + A − P (`R_X86_64_PC32`).
    X86Pc32,
    /// x86-64, 32 bits, a call or jump that may go through a veneer (`R_X86_64_PLT32`).
    X86Plt32,
    /// x86-64, 32 bits: G + A − P (`R_X86_64_GOTPCREL`).
    X86GotPc32,
    /// AArch64, 26 bits of words: S + A − P (`R_AARCH64_CALL26`).
    Arm64Call26,
    /// AArch64, 21 bits of pages: Page(G) − Page(P) (`R_AARCH64_ADR_GOT_PAGE`).
    Arm64AdrGotPage,
    /// AArch64, 12 bits scaled by 8: G & 0xfff (`R_AARCH64_LD64_GOT_LO12_NC`).
    Arm64Ld64GotLo12,
    /// AArch64, 21 bits of pages: Page(S+A) − Page(P) (`R_AARCH64_ADR_PREL_PG_HI21`).
    Arm64AdrPage,
    /// AArch64, 12 bits: (S + A) & 0xfff (`R_AARCH64_ADD_ABS_LO12_NC`).
    Arm64AddLo12,
}

/// System V call frame information: DWARF call frame instructions for one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnwindInfo {
    /// A complete `.eh_frame` contribution: one CIE and one FDE, the FDE's initial location (a
    /// `DW_EH_PE_pcrel | DW_EH_PE_sdata4` field) relative to the start of `text`.
    pub eh_frame: Vec<u8>,
    /// Offset in `eh_frame` of the FDE's initial location field.
    pub location_field: u32,
}

/// An instruction that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Offset in `text`.
    pub offset: u32,
    /// The front's own code for the reason.
    pub code: u16,
}

/// The origin of a range of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// First offset in `text`.
    pub start: u32,
    /// First offset past the range.
    pub end: u32,
    /// The front's own location: for guest code, an offset in the guest module.
    pub location: u32,
}

impl SectionKind {
    /// All sections.
    pub const ALL: [Self; 4] = [Self::Text, Self::Rodata, Self::Data, Self::Bss];
}

impl core::fmt::Display for SectionKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Rodata => "rodata",
            Self::Data => "data",
            Self::Bss => "bss",
        })
    }
}

impl RelocationKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Abs64,
        Self::X86Pc32,
        Self::X86Plt32,
        Self::X86GotPc32,
        Self::Arm64Call26,
        Self::Arm64AdrGotPage,
        Self::Arm64Ld64GotLo12,
        Self::Arm64AdrPage,
        Self::Arm64AddLo12,
    ];

    /// How many bytes the patched field has: an address, a displacement or an instruction.
    pub const fn field_len_bytes(self) -> usize {
        match self {
            Self::Abs64 => 8,
            _ => 4,
        }
    }
}

impl Default for Section {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            align: 1,
        }
    }
}

impl Default for ZeroSection {
    fn default() -> Self {
        Self { size: 0, align: 1 }
    }
}
