//! The regions that can be entered now, and the links between them.

use std::collections::BTreeMap;
use std::ops::Range;

use rekindle::{Code, HostAddr, Scope};
use rustc_hash::FxHashMap;

use crate::abi::{LinkSlots, RegionCode};
use crate::metadata;
use crate::translate::Tables;

/// A region that can be entered.
#[derive(Debug)]
struct InstalledRegion {
    head: u64,
    entry: RegionCode,
    text: Range<u64>,
    tables: Tables,
    slots: LinkSlots,
    scope: Scope,
}

/// All of them, found by guest PC, by link slot and by host PC.
#[derive(Debug, Default)]
pub(super) struct Installed {
    regions: Vec<InstalledRegion>,
    by_head: FxHashMap<u64, usize>,
    by_slots: BTreeMap<HostAddr, usize>,
    by_text: BTreeMap<u64, usize>,
    /// The slots (region and number) that lead to the region of a head, so that they can be taken
    /// back.
    incoming: FxHashMap<u64, Vec<(usize, usize)>>,
}

impl Installed {
    /// Installs `code` as the region of `head`. Returns whether it could be: whether it is a region
    /// with readable tables.
    pub(super) fn install(&mut self, head: u64, code: &Code, scope: &Scope) -> bool {
        let (Some(entry), Some(tables)) = (
            RegionCode::of(code),
            metadata::decode(head, code.metadata()),
        ) else {
            return false;
        };
        if self.by_head.contains_key(&head) {
            return true;
        }
        let slots = LinkSlots::new(code, tables.slots.len());
        let start = code.address().0;
        let text = start..start + u64::from(code.text_len_bytes());
        let index = self.regions.len();
        if !tables.slots.is_empty() {
            self.by_slots.insert(slots.start(), index);
        }
        self.by_text.insert(text.start, index);
        self.by_head.insert(head, index);
        self.regions.push(InstalledRegion {
            head,
            entry,
            text,
            tables,
            slots,
            scope: scope.clone(),
        });
        true
    }

    /// The code of the region that starts at `pc`.
    #[inline]
    pub(super) fn entry(&self, pc: u64) -> Option<RegionCode> {
        self.by_head
            .get(&pc)
            .map(|index| self.regions[*index].entry)
    }

    /// Where the link slot at `address` leads: the slot, and the guest PC.
    pub(super) fn slot_at(&self, address: u64) -> Option<((usize, usize), u64)> {
        let (_, index) = self.by_slots.range(..=HostAddr(address)).next_back()?;
        let region = &self.regions[*index];
        let slot = region.slots.index_of(HostAddr(address))?;
        Some(((*index, slot), *region.tables.slots.get(slot)?))
    }

    /// The guest PCs to which installed regions leave by direct jumps.
    pub(super) fn exits(&self) -> impl Iterator<Item = u64> {
        self.regions
            .iter()
            .flat_map(|region| region.tables.slots.iter().copied())
    }

    /// Makes a slot lead to the region of `target`.
    pub(super) fn link(&mut self, (region, slot): (usize, usize), target: u64) {
        let Some(entry) = self.entry(target) else {
            return;
        };
        self.regions[region].slots.link(slot, entry);
        self.incoming
            .entry(target)
            .or_default()
            .push((region, slot));
    }

    /// The guest PC of the access that the host instruction at `host_pc` makes.
    pub(super) fn guest_pc(&self, host_pc: u64) -> Option<u64> {
        let (_, index) = self.by_text.range(..=host_pc).next_back()?;
        let region = &self.regions[*index];
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

    /// Forgets every region for which `gone` says so by its head; slots that lead there lead to the
    /// engine again. The jump cache is the caller's to clear. Their memory stays, for code may be on its way through them.
    pub(super) fn remove(&mut self, gone: impl Fn(u64) -> bool) -> Vec<u64> {
        let heads: Vec<u64> = self
            .by_head
            .keys()
            .copied()
            .filter(|head| gone(*head))
            .collect();
        for head in &heads {
            self.by_head.remove(head);
            for (region, slot) in self.incoming.remove(head).unwrap_or_default() {
                self.regions[region].slots.unlink(slot);
            }
        }
        heads
    }
}
