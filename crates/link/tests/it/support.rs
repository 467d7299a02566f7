//! Artifacts to link.

use rekindle_artifact::{
    Artifact, Relocation, RelocationKind, Section, SectionKind, Target, ZeroSection,
};
use rekindle_link::{Address, Arch, Binding, LinkError, Output, Placement, Plan};

/// What linking an artifact gives.
#[derive(Debug)]
pub(crate) struct Linked<'a> {
    pub(crate) text: Vec<u8>,
    pub(crate) rodata: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) eh_frame: Vec<u8>,
    pub(crate) bindings: Vec<Binding<'a>>,
}

/// Links into memory that holds something else before.
pub(crate) fn link<'a>(
    plan: &Plan<'a>,
    placement: &Placement,
    cells: &[Address],
) -> Result<Linked<'a>, LinkError> {
    let [mut text, mut rodata, mut data] = [
        plan.text_len_bytes() as usize,
        plan.artifact().section_len(SectionKind::Rodata),
        plan.artifact().section_len(SectionKind::Data),
    ]
    .map(|len| vec![0xee; len]);
    let unwind = plan.artifact().unwind.as_ref();
    let mut eh_frame = vec![0xee; unwind.map_or(0, |unwind| unwind.eh_frame.len())];
    let output = Output {
        text: &mut text,
        rodata: &mut rodata,
        data: &mut data,
        eh_frame: &mut eh_frame,
    };
    let bindings = plan.link(output, placement, cells)?;
    Ok(Linked {
        text,
        rodata,
        data,
        eh_frame,
        bindings,
    })
}

/// An artifact with sections of these sizes.
pub(crate) fn artifact(text: usize, rodata: usize, data: usize, bss: u32) -> Artifact {
    let section = |len, fill, align| Section {
        bytes: vec![fill; len],
        align,
    };
    Artifact {
        name: "code".to_owned(),
        text: section(text, 0x90, 16),
        rodata: section(rodata, 1, 8),
        data: section(data, 2, 8),
        bss: ZeroSection {
            size: bss,
            align: 32,
        },
        ..Artifact::default()
    }
}

pub(crate) fn relocation(
    section: SectionKind,
    offset: u32,
    kind: RelocationKind,
    target: Target,
    addend: i64,
) -> Relocation {
    Relocation {
        section,
        offset,
        kind,
        target,
        addend,
    }
}

pub(crate) fn symbol(name: &str) -> Target {
    Target::Symbol(name.to_owned())
}

/// An artifact that uses every relocation of a machine: names `called` and `cell`, and all of its
/// own sections.
pub(crate) fn busy(arch: Arch) -> Artifact {
    use RelocationKind as Kind;
    let mut artifact = artifact(96, 32, 32, 64);
    let text =
        |offset, kind, target, addend| relocation(SectionKind::Text, offset, kind, target, addend);
    let own = Target::Section;
    if arch == Arch::X86_64 {
        // The load that the last relocation turns into `lea r9, [rip + …]`.
        artifact.text.bytes[64..67].copy_from_slice(&[0x4c, 0x8b, 0x0d]);
    }
    artifact.relocations = match arch {
        Arch::X86_64 => vec![
            text(1, Kind::X86Plt32, symbol("called"), -4),
            text(8, Kind::X86Plt32, own(SectionKind::Text), 40),
            text(16, Kind::X86GotPc32, symbol("cell"), -4),
            text(24, Kind::X86Pc32, own(SectionKind::Rodata), 12),
            text(32, Kind::X86Pc32, own(SectionKind::Data), 4),
            text(40, Kind::X86Pc32, own(SectionKind::Bss), 44),
            text(48, Kind::X86GotPc32, symbol("called"), -4),
            text(67, Kind::X86GotPc32, own(SectionKind::Bss), -4),
        ],
        Arch::Aarch64 => {
            // Instructions whose fields are patched: bl, adrp, ldr, add.
            let words = [
                0x9400_0000u32,
                0x9400_0000,
                0x9000_0000,
                0xf940_0000,
                0x9000_0000,
                0x9100_0000,
                0x9000_0000,
                0x9100_0000,
                0x9000_0003,
                0xf940_0063,
            ];
            for (place, word) in artifact.text.bytes.chunks_exact_mut(4).zip(words) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            vec![
                text(0, Kind::Arm64Call26, symbol("called"), 0),
                text(4, Kind::Arm64Call26, own(SectionKind::Text), 40),
                text(8, Kind::Arm64AdrGotPage, symbol("cell"), 0),
                text(12, Kind::Arm64Ld64GotLo12, symbol("cell"), 0),
                text(16, Kind::Arm64AdrPage, own(SectionKind::Rodata), 12),
                text(20, Kind::Arm64AddLo12, own(SectionKind::Rodata), 12),
                text(24, Kind::Arm64AdrPage, own(SectionKind::Bss), 48),
                text(28, Kind::Arm64AddLo12, own(SectionKind::Bss), 48),
                text(32, Kind::Arm64AdrGotPage, own(SectionKind::Data), 9),
                text(36, Kind::Arm64Ld64GotLo12, own(SectionKind::Data), 9),
            ]
        }
    };
    artifact.relocations.extend([
        relocation(SectionKind::Data, 8, Kind::Abs64, own(SectionKind::Text), 5),
        relocation(SectionKind::Data, 16, Kind::Abs64, symbol("pointer"), -7),
    ]);
    artifact
}
