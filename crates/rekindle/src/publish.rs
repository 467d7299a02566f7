//! From artifacts to an image's bytes: the one place where linker and store meet.

use rekindle_artifact::{Artifact, SectionKind};
use rekindle_link::{
    Address, Arch, Binding, BindingValue, Layout, LinkError, Output, Places, Plan, Span, Within,
};
use rekindle_store::image::{
    Area, BuildError, DirectCallsDraft, DraftEntry, DraftSymbol, Identity, ImageDraft,
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
    let mut linking = Linking {
        layout,
        arch,
        front: vec![0; layout.file_offset(layout.eh_frame.end()) as usize],
        initial: vec![0; layout.data.end().0 as usize],
        text_end: layout.text.start,
        calls: Vec::new(),
    };
    let drafts = entries
        .iter()
        .zip(plans)
        .enumerate()
        .map(|(index, ((key, _), plan))| linking.link(*key, plan, index))
        .collect::<Result<Vec<_>, _>>()?;
    let Linking {
        front,
        initial,
        calls,
        ..
    } = linking;
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
        front,
        initial,
        entries: drafts,
        direct_calls: DirectCallsDraft {
            targets: targets.collect(),
            calls,
        },
        program: None,
    })
}

/// An image's bytes, as far as they are linked.
struct Linking<'a> {
    layout: &'a Layout,
    arch: Arch,
    /// The file from its start to the end of the call frame information.
    front: Vec<u8>,
    /// The initial contents of the writable memory.
    initial: Vec<u8>,
    /// Where the text ends so far.
    text_end: Address,
    calls: Vec<StoredCall>,
}

/// Where an entry's parts lie, from the image's base.
struct Parts {
    text: Span,
    rodata: Span,
    data: Span,
    eh_frame: Span,
}

impl Parts {
    fn of(plan: &Plan<'_>, layout: &Layout, index: usize) -> Self {
        let placement = &layout.entries[index].placement;
        let artifact = plan.artifact();
        let section = |kind| Span {
            start: placement.of(kind),
            len: artifact.section_len(kind) as u64,
        };
        let unwind = artifact.unwind.as_ref();
        Self {
            text: Span {
                start: placement.text,
                len: plan.text_len_bytes(),
            },
            rodata: section(SectionKind::Rodata),
            data: section(SectionKind::Data),
            eh_frame: Span {
                start: placement.eh_frame,
                len: unwind.map_or(0, |unwind| unwind.eh_frame.len() as u64),
            },
        }
    }
}

impl<'a> Linking<'a> {
    /// Links the entry of a number into its place.
    fn link(
        &mut self,
        key: Key,
        plan: &Plan<'a>,
        index: usize,
    ) -> Result<DraftEntry<'a>, LinkError> {
        let layout = self.layout;
        let entry = &layout.entries[index];
        let placement = &entry.placement;
        let part_address = |part: usize, section| layout.entries[part].placement.of(section);
        let parts = Parts::of(plan, layout, index);
        self.fill_gap(&parts.text);
        let output = self.output(plan, &parts);
        let cells = entry.cell_addresses(layout);
        let bindings = plan.link_within(output, placement, &cells, &part_address)?;
        self.lead_calls(plan, index, parts.text.start);
        let cells = entry.cells.iter().zip(plan.symbols());
        let cells = cells
            .map(|(index, name)| StoredCell {
                index: *index,
                name,
            })
            .collect();
        let fields = bindings.into_iter().map(|binding| {
            let start = placement.of(binding.section);
            stored_binding(binding, start)
        });
        Ok(DraftEntry {
            key,
            artifact: plan.artifact(),
            bindings: StoredBindings {
                cells,
                fields: fields.collect(),
            },
            text: area(parts.text),
            rodata: area(parts.rodata),
            data: area(parts.data),
            bss_address: placement.bss.0,
        })
    }

    /// Fills what is between the text so far and an entry's, which is the next.
    fn fill_gap(&mut self, text: &Span) {
        let gap = [self.text_end, text.start].map(|address| self.layout.file_offset(address));
        let [start, end] = gap.map(|offset| offset as usize);
        self.front[start..end].fill(self.arch.padding());
        self.text_end = text.end();
    }

    /// The places of an entry's parts.
    fn output(&mut self, plan: &Plan<'_>, parts: &Parts) -> Output<'_> {
        let layout = self.layout;
        let in_file = |span: &Span| {
            let start = layout.file_offset(span.start) as usize;
            start..start.wrapping_add(span.len as usize)
        };
        let in_memory = |span: &Span| span.start.0 as usize..span.end().0 as usize;
        let places = Places {
            text: in_file(&parts.text),
            rodata: match plan.rodata_is_writable() {
                true => in_memory(&parts.rodata),
                false => in_file(&parts.rodata),
            },
            data: in_memory(&parts.data),
            eh_frame: in_file(&parts.eh_frame),
        };
        plan.output(&mut self.front, &mut self.initial, places)
    }

    /// Leads an entry's calls of what other entries of the image are defined under straight to those.
    fn lead_calls(&mut self, plan: &Plan<'_>, index: usize, text: Address) {
        let layout = self.layout;
        let cells = &layout.entries[index].cells;
        // A program has nothing that could lead them elsewhere, and its parts call each other directly.
        let calls = match plan.is_within_image() {
            true => &[],
            false => plan.calls(),
        };
        for call in calls {
            let cell = cells[call.symbol as usize];
            let Some(target) = layout.definitions[cell as usize] else {
                continue;
            };
            let place = text.plus(call.field.into());
            let field = self.front[layout.file_offset(place) as usize..].first_chunk_mut();
            let field = field.expect("the plan checked the field");
            let target = text_address(layout, target);
            if self.arch.lead_call(field, place, target) {
                // An image spans less than 1 GiB.
                self.calls.push(StoredCall {
                    cell,
                    field: place.0 as u32,
                    veneer: text.0 as u32 + call.veneer,
                });
            }
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
