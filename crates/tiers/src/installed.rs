//! The regions that can be entered now, and the links between them.

use std::collections::BTreeMap;
use std::ops::Range;

use rekindle::{Code, HostAddr, Scope};
use rustc_hash::FxHashMap;

use crate::abi::{LinkSlots, RegionCode};
use crate::metadata::Metadata;
use crate::source::Source;
use crate::translate::Tables;

/// A region that can be entered.
#[derive(Debug)]
struct InstalledRegion {
    head: u64,
    entry: RegionCode,
    text: Range<u64>,
    tables: Tables,
    source: Source,
    slots: LinkSlots,
    scope: Scope,
}

/// A region whose code can't be read any more.
#[derive(Debug)]
pub(crate) struct LostRegion {
    /// Its head.
    pub(crate) head: u64,
    /// Where its code was.
    pub(crate) text: Range<u64>,
    /// What it was made from.
    pub(crate) source: Source,
    /// Where it leaves, and where it may fault.
    pub(crate) tables: Tables,
}

/// All of them, found by guest PC, by link slot and by host PC.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    /// A place is empty where nothing is installed any more.
    regions: Vec<Option<InstalledRegion>>,
    /// The empty places.
    free: Vec<usize>,
    /// The regions that were removed, and by which removal: their code may be running.
    removed: Vec<(u64, usize)>,
    by_head: FxHashMap<u64, usize>,
    by_slots: BTreeMap<HostAddr, usize>,
    by_text: BTreeMap<u64, usize>,
    /// The slots (region and number) that lead to the region of a head, so that they can be taken
    /// back.
    incoming: FxHashMap<u64, Vec<(usize, usize)>>,
}

impl Installed {
    /// Installs `code` as the region of `head`. Returns whether it could be: whether it is a region.
    pub(crate) fn install(
        &mut self,
        head: u64,
        code: &Code,
        metadata: Metadata,
        scope: &Scope,
    ) -> bool {
        self.by_head.contains_key(&head) || self.add(head, code, metadata, scope)
    }

    /// The same where a region of that head may be installed already: that one is entered, but what
    /// leaves this one's code is known.
    pub(crate) fn add(
        &mut self,
        head: u64,
        code: &Code,
        metadata: Metadata,
        scope: &Scope,
    ) -> bool {
        let Metadata { tables, source } = metadata;
        let Some(entry) = RegionCode::of(code) else {
            return false;
        };
        let slots = LinkSlots::new(code, tables.slots.len());
        let start = code.address().0;
        let text = start..start + u64::from(code.text_len_bytes());
        let index = self.free.pop().unwrap_or_else(|| {
            self.regions.push(None);
            self.regions.len() - 1
        });
        if !tables.slots.is_empty() {
            self.by_slots.insert(slots.start(), index);
        }
        self.by_text.insert(text.start, index);
        self.by_head.entry(head).or_insert(index);
        self.regions[index] = Some(InstalledRegion {
            head,
            entry,
            text,
            tables,
            source,
            slots,
            scope: scope.clone(),
        });
        true
    }

    /// The code of the region that starts at `pc`.
    #[inline]
    pub(crate) fn entry(&self, pc: u64) -> Option<RegionCode> {
        self.by_head
            .get(&pc)
            .and_then(|index| self.region(*index))
            .map(|region| region.entry)
    }

    /// Where the link slot at `address` leads: the slot, and the guest PC.
    pub(crate) fn slot_at(&self, address: u64) -> Option<((usize, usize), u64)> {
        let (_, index) = self.by_slots.range(..=HostAddr(address)).next_back()?;
        let region = self.region(*index)?;
        let slot = region.slots.index_of(HostAddr(address))?;
        Some(((*index, slot), *region.tables.slots.get(slot)?))
    }

    /// The heads of regions that were made from other bytes than memory holds now.
    pub(crate) fn outdated(&self) -> Vec<u64> {
        let installed = self.by_head.iter();
        let outdated = installed.filter(|(head, index)| {
            let source = self.region(**index).map(|region| &region.source);
            source.is_some_and(|it| !it.is_in_memory(head.wrapping_sub(it.head)))
        });
        outdated.map(|(head, _)| *head).collect()
    }

    /// The guest PCs to which installed regions leave by direct jumps.
    pub(crate) fn exits(&self) -> impl Iterator<Item = u64> {
        self.regions
            .iter()
            .flatten()
            .flat_map(|region| region.tables.slots.iter().copied())
    }

    /// Makes a slot lead to the region of `target`.
    pub(crate) fn link(&mut self, (region, slot): (usize, usize), target: u64) {
        let Some(entry) = self.entry(target) else {
            return;
        };
        let Some(source) = self.region(region) else {
            return;
        };
        source.slots.link(slot, entry);
        self.incoming
            .entry(target)
            .or_default()
            .push((region, slot));
    }

    /// The guest PC of the access that the host instruction at `host_pc` makes.
    pub(crate) fn guest_pc(&self, host_pc: u64) -> Option<u64> {
        let (_, index) = self.by_text.range(..=host_pc).next_back()?;
        let region = self.region(*index)?;
        if !region.text.contains(&host_pc) {
            return None;
        }
        let trap = region
            .scope
            .locate(HostAddr(host_pc))
            .and_then(|located| located.trap);
        let access = usize::from(trap?).checked_sub(1)?;
        region
            .tables
            .accesses
            .get(access)
            .copied()
            .or(Some(region.head))
    }

    /// Forgets every region for which `gone` says so by its head, as removal number `removal`; slots that
    /// lead there lead to the engine again. The jump cache is the caller's to clear. Their memory stays
    /// until [`Self::retire`], for code may be on its way through them.
    pub(crate) fn remove(&mut self, removal: u64, gone: impl Fn(u64) -> bool) -> Vec<u64> {
        let removed: Vec<(u64, usize)> = self.by_head.extract_if(|head, _| gone(*head)).collect();
        for (head, index) in &removed {
            self.removed.push((removal, *index));
            for (region, slot) in self.incoming.remove(head).unwrap_or_default() {
                if let Some(region) = self.region(region) {
                    region.slots.unlink(slot);
                }
            }
        }
        removed.into_iter().map(|(head, _)| head).collect()
    }

    /// Lets go of the regions that were removed up to removal `upto`: no thread is in their code.
    pub(crate) fn retire(&mut self, upto: u64) {
        let over = self.removed.extract_if(.., |(removal, _)| *removal <= upto);
        for (_, index) in over.collect::<Vec<_>>() {
            let Some(region) = self.regions[index].take() else {
                continue;
            };
            self.by_text.remove(&region.text.start);
            if !region.tables.slots.is_empty() {
                self.by_slots.remove(&region.slots.start());
            }
            for target in region.tables.slots {
                if let Some(incoming) = self.incoming.get_mut(&target) {
                    incoming.retain(|(from, _)| *from != index);
                    if incoming.is_empty() {
                        self.incoming.remove(&target);
                    }
                }
            }
            self.free.push(index);
        }
    }

    /// The region whose code `pc` was in, installed or removed, while its memory is known.
    pub(crate) fn lost(&self, pc: u64) -> Option<LostRegion> {
        let (_, index) = self.by_text.range(..=pc).next_back()?;
        let region = self.region(*index)?;
        region.text.contains(&pc).then(|| LostRegion {
            head: region.head,
            text: region.text.clone(),
            source: region.source.clone(),
            tables: region.tables.clone(),
        })
    }

    /// The heads of all regions.
    pub(crate) fn heads(&self) -> impl Iterator<Item = u64> {
        self.by_head.keys().copied()
    }

    fn region(&self, index: usize) -> Option<&InstalledRegion> {
        self.regions.get(index)?.as_ref()
    }
}
