//! The memory layer: code that this process can call already.

use rekindle_exec::HostAddr;
use rekindle_store::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::claim::Claim;
use crate::code::{Code, Located};
use crate::loaded::LoadedImage;

/// Code by key and by address.
#[derive(Debug, Default)]
pub(crate) struct Resident {
    /// What lies in this process's own memory: what it compiled, and copies.
    compiled: HashMap<Key, Code, KeyHasher>,
    /// What was there before under keys that have other code now: code of another signature, or a copy of
    /// what an image holds. It may be running.
    replaced: Vec<Code>,
    /// What is used of images. Those have all else: an index of their keys, and what code is made of.
    pub(crate) claims: Vec<Claim>,
    /// Whether entries were given up that there was no memory to copy. Nobody knows any more which.
    pub(crate) has_lost_code: bool,
    /// Whether names were bound while others weren't known: what was bound then is never bound again, so what it
    /// leads to can't move any more.
    pub(crate) is_bound_in_part: bool,
    /// All of them by address, when someone asked: loading must not pay for it. Empty if it is out of
    /// date.
    by_address: Vec<Code>,
}

impl Resident {
    pub(crate) fn compiled(&self, key: &Key) -> Option<&Code> {
        self.compiled.get(key)
    }

    /// Whether an entry of an image is used.
    pub(crate) fn is_loaded(&self, image: &Arc<LoadedImage>, index: u32) -> bool {
        let mut claims = self.claims.iter();
        let claim = claims.find(|claim| Arc::ptr_eq(&claim.image, image));
        claim.is_some_and(|claim| claim.loaded.contains(index))
    }

    /// What is used of an image.
    pub(crate) fn claim(&mut self, image: &Arc<LoadedImage>) -> &mut Claim {
        self.by_address.clear();
        let is_of = |claim: &Claim| Arc::ptr_eq(&claim.image, image);
        let index = self.claims.iter().position(is_of).unwrap_or_else(|| {
            self.claims.push(Claim::new(image));
            self.claims.len() - 1
        });
        &mut self.claims[index]
    }

    /// Adds code of this process's memory, unless the key has some of that signature already: what was
    /// compiled now takes the place of a copy. Returns what the key has, and whether it is the code given.
    pub(crate) fn add(&mut self, key: Key, code: Code) -> (Code, bool) {
        let is_as_good = |present: &Code| {
            let is_newer = present.is_loaded() && !code.is_loaded();
            present.signature() == code.signature() && !is_newer
        };
        match self.compiled.entry(key) {
            Entry::Occupied(present) if is_as_good(present.get()) => {
                return (present.get().clone(), false);
            }
            Entry::Occupied(mut other) => self.replaced.push(other.insert(code.clone())),
            Entry::Vacant(vacant) => drop(vacant.insert(code.clone())),
        }
        self.by_address.clear();
        (code, true)
    }

    /// What is at an address.
    pub(crate) fn locate(&mut self, pc: HostAddr) -> Option<Located> {
        if self.by_address.is_empty() {
            let loaded = self.claims.iter().flat_map(|Claim { image, loaded, .. }| {
                let code = |index| Code::loaded(Arc::clone(image), &image.record(index));
                loaded.iter().map(code)
            });
            let compiled = self.compiled.values().chain(&self.replaced).cloned();
            self.by_address = compiled.chain(loaded).collect();
            self.by_address.sort_unstable_by_key(Code::address);
        }
        let after = self.by_address.partition_point(|code| code.address() <= pc);
        self.by_address.get(after.checked_sub(1)?)?.locate(pc)
    }
}

/// A key is a hash already; eight of its bytes serve as they are.
#[derive(Clone, Copy, Debug, Default)]
struct KeyHasher;

impl BuildHasher for KeyHasher {
    type Hasher = Prefix;

    fn build_hasher(&self) -> Prefix {
        Prefix(0)
    }
}

/// Takes the last eight bytes written.
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length that `[u8; 32]` hashes before its bytes.
    }
}
