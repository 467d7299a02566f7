//! Images.

use proptest::prelude::*;
use rekindle_artifact::{Artifact, RelocationKind, SectionKind, Target};
use rekindle_link::{Arch, Layout, Plan};

use crate::judge::judge;
use crate::support::{artifact, busy, link, relocation};

/// The parts of memory that an entry takes: start, length, alignment.
fn parts(plan: &Plan<'_>, layout: &Layout, index: usize) -> Vec<(u64, u64, u64)> {
    let placement = &layout.entries[index].placement;
    let code = plan.artifact();
    let part = |section: SectionKind| {
        let (len, align) = (code.section_len(section), code.section_align(section));
        (placement.of(section).0, len as u64, u64::from(align))
    };
    vec![
        (placement.text.0, plan.text_len_bytes(), plan.text_align()),
        part(SectionKind::Rodata),
        part(SectionKind::Data),
        part(SectionKind::Bss),
    ]
}

fn plans_of(artifacts: &[Artifact], arch: Arch) -> Vec<Plan<'_>> {
    let plan = |code| Plan::new(code, arch).expect("it can be linked");
    artifacts.iter().map(plan).collect()
}

fn check(artifacts: &[Artifact], arch: Arch) {
    let plans = plans_of(artifacts, arch);
    let layout = Layout::new(&plans, arch).expect("it fits");
    let mut taken: Vec<(u64, u64)> = vec![(0, layout.got.len)];
    for (index, plan) in plans.iter().enumerate() {
        let entry = &layout.entries[index];
        let cells = entry.cell_addresses(&layout);
        let linked = link(plan, &entry.placement, &cells).expect("it is close enough");
        judge(arch, plan, &linked, &entry.placement, &cells);
        for (cell, symbol) in entry.cells.iter().zip(plan.symbols()) {
            assert_eq!(layout.cells[*cell as usize], *symbol);
        }
        for (start, len, align) in parts(plan, &layout, index) {
            assert_eq!(start % align, 0);
            taken.push((start, start + len));
        }
        let within = |span: rekindle_link::Span, start: u64, len: u64| {
            assert!(span.start.0 <= start && start + len <= span.end().0);
        };
        within(layout.text, entry.placement.text.0, plan.text_len_bytes());
        let rodata = if plan.rodata_is_writable() {
            layout.data
        } else {
            layout.rodata
        };
        within(
            rodata,
            entry.placement.rodata.0,
            plan.artifact().rodata.bytes.len() as u64,
        );
        within(
            layout.data,
            entry.placement.data.0,
            plan.artifact().data.bytes.len() as u64,
        );
        within(
            layout.bss,
            entry.placement.bss.0,
            plan.artifact().bss.size.into(),
        );
    }
    taken.retain(|(start, end)| start < end);
    taken.sort_unstable();
    assert!(
        taken.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "parts overlap: {taken:x?}"
    );
    check_pages(&layout, arch);
}

/// Text shares no page with anything else, and writable memory ends before the file.
fn check_pages(layout: &Layout, arch: Arch) {
    let page = arch.page_len_bytes();
    assert_eq!(layout.file_base.0 % page, 0);
    assert!(layout.bss.end() <= layout.file_base);
    assert_eq!(layout.text.start.0, layout.file_base.0 + page);
    assert_eq!(layout.rodata.start.0 % page, 0);
    assert!(layout.rodata.start >= layout.text.end());
    assert!(layout.eh_frame.start >= layout.rodata.end());
}

proptest! {
    #[test]
    fn images_hold_together(
        sizes in prop::collection::vec((1usize..300, 0usize..100, 0usize..100, 0u32..100), 1..12),
        busy_every in 1usize..4,
    ) {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let artifacts: Vec<Artifact> = sizes
                .iter()
                .enumerate()
                .map(|(index, (text, rodata, data, bss))| {
                    if index % busy_every == 0 {
                        busy(arch)
                    } else {
                        artifact(*text, *rodata, *data, *bss)
                    }
                })
                .collect();
            check(&artifacts, arch);
        }
    }
}

#[test]
fn names_are_shared() {
    let artifacts = [busy(Arch::X86_64), busy(Arch::X86_64)];
    let plans = plans_of(&artifacts, Arch::X86_64);
    let layout = Layout::new(&plans, Arch::X86_64).expect("it fits");
    assert_eq!(layout.cells, ["called", "cell"]);
    assert_eq!(layout.entries[0].cells, layout.entries[1].cells);
}

#[test]
fn a_cell_knows_the_one_entry_that_its_name_stands_for() {
    let named = |symbol: &str| Artifact {
        symbol: Some(symbol.to_owned()),
        ..busy(Arch::X86_64)
    };
    let definitions = |symbols: &[&str]| {
        let artifacts: Vec<_> = symbols.iter().map(|symbol| named(symbol)).collect();
        let plans = plans_of(&artifacts, Arch::X86_64);
        let layout = Layout::new(&plans, Arch::X86_64).expect("it fits");
        assert_eq!(layout.cells, ["called", "cell"]);
        layout.definitions
    };
    assert_eq!(definitions(&["other", "called"]), [Some(1), None]);
    assert_eq!(definitions(&["cell", "called"]), [Some(1), Some(0)]);
    assert_eq!(definitions(&["called", "cell", "called"]), [None, Some(1)]);
    let three = ["called", "called", "called"];
    assert_eq!(definitions(&three), [None, None]);
}

#[test]
fn constants_with_addresses_lie_in_writable_memory() {
    let mut code = artifact(16, 16, 8, 0);
    let own = Target::Section(SectionKind::Text);
    code.relocations = vec![relocation(
        SectionKind::Rodata,
        8,
        RelocationKind::Abs64,
        own,
        0,
    )];
    check(&[code, artifact(16, 16, 8, 0)], Arch::X86_64);
}
