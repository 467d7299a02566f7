//! From artifacts to an image's bytes: the one place where linker and store meet.

use rekindle_artifact::{Artifact, SectionKind};
use rekindle_link::{Address, Arch, Binding, BindingValue, Layout, LinkError, Plan, Span, Within};
use rekindle_store::image::{
    Area, BuildError, DirectCallsDraft, DraftEntry, DraftSymbol, Identity, ImageDraft, Placed,
    ProgramPartDraft, StoredBinding, StoredBindings, StoredCall, StoredCell, StoredValue,
};
use rekindle_store::{Environment, Key, ScopeId, Secret};

use crate::program::ProgramDraftSymbol;

/// Bytes of sections after which a queue is split into several images.
const SPLIT_LEN: usize = 256 << 20;

/// An image can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// What an image of this scope says of itself.
pub(crate) fn identity(environment: &Environment, scope: &ScopeId, arch: Arch) -> Identity {
    Identity {
        environment: environment.digest(),
        scope: scope.digest(),
        machine: elf_machine(arch),
    }
}

/// ELF's number of a machine.
fn elf_machine(arch: Arch) -> u16 {
    match arch {
        Arch::X86_64 => 62,
        Arch::Aarch64 => 183,
    }
}

/// Cuts a queue into parts that fit an image each.
pub(crate) fn split<'a>(
    entries: &'a [(Key, &'a Artifact)],
) -> impl Iterator<Item = &'a [(Key, &'a Artifact)]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let mut total = 0usize;
        let fits = |(_, artifact): &(Key, &Artifact)| {
            let len = |section| artifact.section_len(section);
            total = total.saturating_add(SectionKind::ALL.map(len).into_iter().sum());
            total <= SPLIT_LEN
        };
        // The first always goes in, whatever its size; if it is too large, linking says so.
        let count = rest
            .iter()
            .copied()
            .take_while(fits)
            .count()
            .max(1)
            .min(rest.len());
        let (part, after) = rest.split_at(count);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Links artifacts into an image.
pub(crate) fn build_image(
    entries: &[(Key, &Artifact)],
    identity: Identity,
    scope: &ScopeId,
    arch: Arch,
    secret: &Secret,
) -> Result<Vec<u8>, PublishError> {
    let plans = entries
        .iter()
        .map(|(_, artifact)| Plan::new(artifact, arch))
        .collect::<Result<Vec<_>, _>>()?;
    let layout = Layout::new(&plans, arch)?;
    let draft = draft(entries, &plans, &layout, identity, scope, arch)?;
    Ok(draft.build(secret)?)
}

/// Links the parts of a program into an image. Those that `symbols` say are parts of it refer to
/// each other directly.
pub(crate) fn build_program(
    entries: &[(Key, &Artifact)],
    symbols: &[ProgramDraftSymbol],
    front: &[u8],
    identity: Identity,
    scope: &ScopeId,
    arch: Arch,
    secret: &Secret,
) -> Result<Vec<u8>, PublishError> {
    let within: Within<'_> = symbols
        .iter()
        .filter_map(|symbol| Some((symbol.reference.as_str(), symbol.place?)))
        .collect();
    let plans = entries
        .iter()
        .map(|(_, artifact)| Plan::new_within(artifact, arch, &within))
        .collect::<Result<Vec<_>, _>>()?;
    let layout = Layout::new(&plans, arch)?;
    let mut draft = draft(entries, &plans, &layout, identity, scope, arch)?;
    let symbols = symbols.iter().map(|symbol| DraftSymbol {
        name: symbol.name.as_deref(),
        address: symbol
            .place
            .map(|(part, section)| layout.entries[part].placement.of(section).0),
        len: symbol.len,
    });
    draft.program = Some(ProgramPartDraft {
        symbols: symbols.collect(),
        bindings: all_bindings(&draft.entries),
        front,
    });
    Ok(draft.build(secret)?)
}

/// The bindings of all entries together; cells that entries share once.
fn all_bindings<'a>(entries: &[DraftEntry<'a>]) -> StoredBindings<'a> {
    let mut all = StoredBindings::default();
    let mut seen = rustc_hash::FxHashSet::default();
    for DraftEntry { bindings, .. } in entries {
        let cells = bindings.cells.iter().cloned();
        all.cells
            .extend(cells.filter(|cell| seen.insert(cell.index)));
        all.fields.extend(bindings.fields.iter().cloned());
    }
    all
}

fn draft<'a>(
    entries: &[(Key, &'a Artifact)],
    plans: &[Plan<'a>],
    layout: &'a Layout,
    identity: Identity,
    scope: &'a ScopeId,
    arch: Arch,
) -> Result<ImageDraft<'a>, PublishError> {
    let mut calls = Vec::new();
    let drafts = entries
        .iter()
        .zip(plans)
        .enumerate()
        .map(|(index, ((key, _), plan))| {
            let mut entry = draft_entry(*key, plan, layout, index)?;
            lead_calls(&mut entry.text, plan, layout, index, arch, &mut calls);
            Ok(entry)
        })
        .collect::<Result<Vec<_>, LinkError>>()?;
    let targets = layout.definitions.iter();
    let targets = targets.map(|entry| entry.map(|entry| text_address(layout, entry).0 as u32));
    Ok(ImageDraft {
        identity,
        scope,
        page_len: arch.page_len_bytes(),
        file_base: layout.file_base.0,
        cells: &layout.cells,
        data: area(layout.data),
        bss: area(layout.bss),
        text: area(layout.text),
        rodata: area(layout.rodata),
        eh_frame: area(layout.eh_frame),
        padding: arch.padding(),
        entries: drafts,
        direct_calls: DirectCallsDraft {
            targets: targets.collect(),
            calls,
        },
        program: None,
    })
}

fn draft_entry<'a>(
    key: Key,
    plan: &Plan<'a>,
    layout: &Layout,
    index: usize,
) -> Result<DraftEntry<'a>, LinkError> {
    let entry = &layout.entries[index];
    let placement = &entry.placement;
    let part_address = |part: usize, section| layout.entries[part].placement.of(section);
    let linked = plan.link_within(placement, &entry.cell_addresses(layout), &part_address)?;
    let cells = entry.cells.iter().zip(plan.symbols());
    let cells = cells
        .map(|(index, name)| StoredCell {
            index: *index,
            name,
        })
        .collect();
    let fields = linked.bindings.into_iter().map(|binding| {
        let start = placement.of(binding.section);
        stored_binding(binding, start)
    });
    let placed = |address: Address, bytes| Placed {
        address: address.0,
        bytes,
    };
    Ok(DraftEntry {
        key,
        artifact: plan.artifact(),
        bindings: StoredBindings {
            cells,
            fields: fields.collect(),
        },
        text: placed(placement.text, linked.text),
        rodata: placed(placement.rodata, linked.rodata),
        data: placed(placement.data, linked.data),
        bss_address: placement.bss.0,
        eh_frame: placed(placement.eh_frame, linked.eh_frame),
    })
}

/// Leads an entry's calls of what other entries of the image are defined under straight to those.
fn lead_calls(
    text: &mut Placed,
    plan: &Plan<'_>,
    layout: &Layout,
    index: usize,
    arch: Arch,
    calls: &mut Vec<StoredCall>,
) {
    let cells = &layout.entries[index].cells;
    for call in plan.calls() {
        let cell = cells[call.symbol as usize];
        let Some(target) = layout.definitions[cell as usize] else {
            continue;
        };
        let place = Address(text.address).plus(call.field.into());
        let field = text.bytes[call.field as usize..].first_chunk_mut();
        let field = field.expect("the plan checked the field");
        if arch.lead_call(field, place, text_address(layout, target)) {
            // An image spans less than 1 GiB.
            calls.push(StoredCall {
                cell,
                field: place.0 as u32,
                veneer: text.address as u32 + call.veneer,
            });
        }
    }
}

fn text_address(layout: &Layout, entry: u32) -> Address {
    layout.entries[entry as usize].placement.text
}

fn stored_binding<'a>(binding: Binding<'a>, section: Address) -> StoredBinding<'a> {
    let Binding {
        section: _,
        offset,
        value,
    } = binding;
    let value = match value {
        // An image spans less than 1 GiB, but an addend may lead before its base.
        BindingValue::Local(address) => StoredValue::Local(address.0.cast_signed()),
        BindingValue::Symbol { name, addend } => StoredValue::Symbol { name, addend },
    };
    // The writable part comes first in an image of at most 1 GiB, so this fits.
    StoredBinding {
        address: section.plus(u64::from(offset)).0 as u32,
        value,
    }
}

fn area(span: Span) -> Area {
    Area {
        address: span.start.0,
        len: span.len,
    }
}

#[cfg(test)]
mod tests {
    use super::{SPLIT_LEN, split};
    use rekindle_artifact::{Artifact, ZeroSection};
    use rekindle_store::KeyBuilder;

    #[test]
    fn queues_are_cut_by_size() {
        let sized = |size: usize| Artifact {
            bss: ZeroSection {
                size: size as u32,
                align: 1,
            },
            ..Artifact::default()
        };
        let artifacts = [
            sized(SPLIT_LEN),
            sized(1),
            sized(SPLIT_LEN - 1),
            sized(SPLIT_LEN),
            sized(1),
        ];
        let key = KeyBuilder::new("test").finish();
        let entries: Vec<_> = artifacts.iter().map(|artifact| (key, artifact)).collect();
        let lens: Vec<usize> = split(&entries).map(<[_]>::len).collect();
        assert_eq!(lens, [1, 2, 1, 1]);
        assert_eq!(split(&[]).count(), 0);
    }
}
