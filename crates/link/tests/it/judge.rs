//! The judge: follows every reference in linked bytes the way a processor would, and says where it
//! leads. It shares no table and no formula with the linker.

use rekindle_artifact::{Relocation, RelocationKind, SectionKind, Target};
use rekindle_link::{Address, Arch, Binding, BindingValue, Placement, Plan};

use crate::support::Linked;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn plus(base: u64, distance: i64) -> u64 {
    base.wrapping_add_signed(distance)
}

/// The sign-extended low `bits` of a number.
fn signed(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)).cast_signed() >> (32 - bits))
}

/// The address that the instruction with the field at `at` refers to, as far as it alone tells:
/// for `adrp` the page, for the low parts the offset in the page.
fn referred(kind: RelocationKind, text: &[u8], at: usize, base: u64) -> u64 {
    let place = base + at as u64;
    let field = word(text, at);
    match kind {
        // x86 counts from the end of the field; the addend says where the instruction ends.
        RelocationKind::X86Pc32 | RelocationKind::X86Plt32 | RelocationKind::X86GotPc32 => {
            plus(place, signed(field, 32))
        }
        RelocationKind::Arm64Call26 => {
            assert_eq!(field >> 26, 0b10_0101, "bl");
            plus(place, signed(field & 0x3ff_ffff, 26) * 4)
        }
        RelocationKind::Arm64AdrPage | RelocationKind::Arm64AdrGotPage => {
            assert_eq!(field & 0x9f00_0000, 0x9000_0000, "adrp");
            let pages = (field >> 5 & 0x7_ffff) << 2 | field >> 29 & 3;
            plus(place & !0xfff, signed(pages, 21) * 0x1000)
        }
        // Rewritten to `add` where no cell is needed.
        RelocationKind::Arm64Ld64GotLo12 if field >> 22 == 0b10_0100_0100 => {
            u64::from(field >> 10 & 0xfff)
        }
        RelocationKind::Arm64Ld64GotLo12 => {
            assert_eq!(field >> 22, 0b11_1110_0101, "ldr of 64 bits");
            u64::from(field >> 10 & 0xfff) * 8
        }
        RelocationKind::Arm64AddLo12 => {
            assert_eq!(field >> 22, 0b10_0100_0100, "add");
            u64::from(field >> 10 & 0xfff)
        }
        RelocationKind::Abs64 => panic!("text holds no addresses"),
    }
}

/// Where the call with its field at `at` leads.
pub(crate) fn call_target(arch: Arch, text: &[u8], at: usize, base: u64) -> u64 {
    match arch {
        Arch::X86_64 => plus(referred(RelocationKind::X86Plt32, text, at, base), 4),
        Arch::Aarch64 => referred(RelocationKind::Arm64Call26, text, at, base),
    }
}

/// The cell through which the veneer at `address` jumps.
fn veneer_cell(arch: Arch, text: &[u8], at: usize, base: u64) -> u64 {
    match arch {
        Arch::X86_64 => {
            assert_eq!(&text[at..at + 2], [0xff, 0x25], "jmp *[rip]");
            plus(base + at as u64 + 6, signed(word(text, at + 2), 32))
        }
        Arch::Aarch64 => {
            assert_eq!(word(text, at) & 0x1f, 16);
            assert_eq!(word(text, at + 4) & 0x3ff, 16 << 5 | 16);
            assert_eq!(word(text, at + 8), 0xd61f_0200, "br x16");
            referred(RelocationKind::Arm64AdrPage, text, at, base)
                + referred(RelocationKind::Arm64Ld64GotLo12, text, at + 4, base)
        }
    }
}

/// Whether a kind tells the low twelve bits of an address, the others, or all.
fn visible(kind: RelocationKind, address: u64) -> u64 {
    match kind {
        RelocationKind::Arm64AdrPage | RelocationKind::Arm64AdrGotPage => address & !0xfff,
        RelocationKind::Arm64AddLo12 | RelocationKind::Arm64Ld64GotLo12 => address & 0xfff,
        _ => address,
    }
}

/// Follows every relocation of a linked artifact to where it should lead.
pub(crate) fn judge(
    arch: Arch,
    plan: &Plan<'_>,
    linked: &Linked<'_>,
    placement: &Placement,
    cells: &[Address],
) {
    let cell = |name: &str| {
        let index = plan.symbols().iter().position(|symbol| *symbol == name);
        cells[index.expect("the symbol has a cell")].0
    };
    let mut bindings = linked.bindings.iter();
    for relocation in &plan.artifact().relocations {
        let Relocation {
            section,
            offset,
            kind,
            target,
            addend,
        } = relocation;
        if *kind == RelocationKind::Abs64 {
            let expected = Binding {
                section: *section,
                offset: *offset,
                value: match target {
                    Target::Section(target) => {
                        BindingValue::Local(Address(plus(placement.of(*target).0, *addend)))
                    }
                    Target::Symbol(name) => BindingValue::Symbol {
                        name,
                        addend: *addend,
                    },
                },
            };
            assert_eq!(bindings.next(), Some(&expected));
            continue;
        }
        let base = placement.text.0;
        let found = referred(*kind, &linked.text, *offset as usize, base);
        let is_call = matches!(kind, RelocationKind::X86Plt32 | RelocationKind::Arm64Call26);
        match target {
            Target::Section(target) => {
                let expected = plus(placement.of(*target).0, *addend);
                assert_eq!(found, visible(*kind, expected), "{relocation:?}");
                if *kind == RelocationKind::X86GotPc32 {
                    assert_eq!(linked.text[*offset as usize - 2], 0x8d, "lea");
                }
            }
            Target::Symbol(name) if is_call => {
                let veneer = plus(found, -addend) - base;
                let end = plan.artifact().text.bytes.len() as u64;
                assert!(veneer >= end, "the veneer stands behind the code");
                let through = veneer_cell(arch, &linked.text, veneer as usize, base);
                assert_eq!(through, cell(name), "{relocation:?}");
            }
            Target::Symbol(name) => {
                assert_eq!(
                    found,
                    visible(*kind, plus(cell(name), *addend)),
                    "{relocation:?}"
                );
            }
        }
    }
    assert_eq!(bindings.next(), None);
    untouched_outside_fields(plan, linked);
}

/// Everything that no relocation patches stays as it was.
fn untouched_outside_fields(plan: &Plan<'_>, linked: &Linked<'_>) {
    let artifact = plan.artifact();
    let in_field = |at: usize| {
        artifact.relocations.iter().any(|relocation| {
            let start = relocation.offset as usize;
            // A load that becomes `lea` changes two bytes before its field.
            relocation.section == SectionKind::Text
                && (at + 2 == start
                    || (start..start + relocation.kind.field_len_bytes()).contains(&at))
        })
    };
    for (at, byte) in artifact.text.bytes.iter().enumerate() {
        assert!(
            in_field(at) || linked.text[at] == *byte,
            "byte {at:#x} of the text changed"
        );
    }
    assert_eq!(linked.rodata, artifact.rodata.bytes);
    assert_eq!(linked.data, artifact.data.bytes);
    assert_eq!(linked.text.len() as u64, plan.text_len_bytes());
}
