//! The pieces that can be entered now, by guest PC and by host PC.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rekindle::{Artifact, Cache, Code, Environment, Scope, ScopeId, Section, Signature};
use rekindle_hart::guest_memory::copy_in;
use rekindle_quick::x86_64::{Emitter, Trampolines};
use rekindle_quick::{Host, MAX_INSTRUCTIONS, Piece, Request, Translator};
use rustc_hash::FxHashMap;

use super::elapsed_ns;
use crate::abi::{PIECE_SIGNATURE, PieceCode, PieceDoors, TRAMPOLINE_SIGNATURE};
use crate::code_module::{CodeModule, FindModule, text_at};

/// The most guest bytes that a piece takes, and one instruction more.
const SOURCE_LEN: u64 = 4 * (MAX_INSTRUCTIONS as u64 + 2);
/// The alignment of pieces; within it their code doesn't depend on where it is.
const ALIGN: u32 = 16;

/// A piece that is there.
#[derive(Debug)]
struct Installed {
    /// Keeps it mapped: a scope keeps what it was given to its end, so this has a scope of its own.
    _scope: Scope,
    text_len: u32,
    piece: Piece,
    /// The guest's bytes that it was made from.
    source: Vec<u8>,
    /// Whether it was removed, and only waits for being let go of.
    is_removed: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Pieces {
    memory: CodeMemory,
    translator: Translator<Emitter>,
    modules: Vec<Arc<dyn CodeModule>>,
    /// By the host address of their code. One that was removed stays until it is retired.
    by_text: BTreeMap<u64, Installed>,
    /// Every instruction that has code: where that begins, and the code of which piece it is.
    entries: FxHashMap<u64, (u64, PieceCode)>,
    /// Code of pieces that were removed, and by which removal.
    removed: Vec<(u64, u64)>,
    pub(super) removals: u64,
    pub(super) translated: u64,
    pub(super) spent_ns: u64,
}

/// Whether guest memory at `start` holds these bytes.
pub(super) fn is_in_memory(start: u64, bytes: &[u8]) -> bool {
    let mut found = vec![0; bytes.len()];
    copy_in(&mut found, start).is_ok() && found == bytes
}

impl Pieces {
    /// None, and the doors by which they are entered; `None` where there is no memory for code.
    pub(super) fn new() -> Option<(Self, Arc<PieceDoors>)> {
        let memory = CodeMemory {
            cache: Cache::in_memory(),
            environment: Environment::builder("rekindle-quick").build(),
            id: ScopeId::from_name("pieces"),
        };
        let trampolines = Trampolines::new();
        let text = trampolines.code.clone();
        let (_, code) = memory.insert("trampolines", TRAMPOLINE_SIGNATURE, text)?;
        let doors = Arc::new(PieceDoors::of(code, &trampolines)?);
        let pieces = Self {
            memory,
            translator: Translator::new(Emitter::new()),
            modules: Vec::new(),
            by_text: BTreeMap::new(),
            entries: FxHashMap::default(),
            removed: Vec::new(),
            removals: 0,
            translated: 0,
            spent_ns: 0,
        };
        Some((pieces, doors))
    }

    /// How many there are, with those that are still to be let go of.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_text.len()
    }

    /// How many are still to be let go of.
    #[cfg(test)]
    pub(super) fn removed_len(&self) -> u64 {
        self.removed.len() as u64
    }

    #[cfg(test)]
    pub(super) fn modules_len(&self) -> usize {
        self.modules.len()
    }

    /// Forgets where pieces are, and what keeps them there.
    #[cfg(test)]
    pub(super) fn take_tables(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.by_text)
    }

    /// Notes the module that holds `pc`, if one does and it isn't known.
    pub(super) fn learn_module(&mut self, pc: u64, modules: FindModule<'_>) {
        if self.text_at(pc).is_none() {
            self.modules.extend(modules(pc));
        }
    }

    /// The part of a known module's text that holds `pc`.
    fn text_at(&self, pc: u64) -> Option<Range<u64>> {
        let mut modules = self.modules.iter();
        modules.find_map(|module| text_at(&**module, pc).cloned())
    }

    /// What is in `range` may belong to other modules from now on.
    pub(super) fn forget_modules(&mut self, range: &Range<u64>) {
        let overlaps = |text: &Range<u64>| text.start < range.end && range.start < text.end;
        self.modules
            .retain(|module| !module.text_ranges().iter().any(overlaps));
    }

    /// The code of the instruction at `pc`, made now if there is none and its module is known.
    pub(super) fn entry_or_translate(&mut self, pc: u64) -> Option<PieceCode> {
        if let Some((_, code)) = self.entries.get(&pc) {
            return Some(*code);
        }
        let end = self.text_at(pc)?.end.min(pc + SOURCE_LEN);
        self.translate(pc, end)?;
        self.entries.get(&pc).map(|(_, code)| *code)
    }

    fn translate(&mut self, pc: u64, end: u64) -> Option<()> {
        let start = Instant::now();
        let mut source = vec![0; usize::try_from(end - pc).ok()?];
        copy_in(&mut source, pc).ok()?;
        let request = Request {
            pc,
            bytes: &source,
            host_address: 0,
            floats: false,
            looks_up: true,
        };
        let entries = &self.entries;
        let is_known = |pc| entries.contains_key(&pc);
        let piece = self.translator.translate(&request, &is_known).clone();
        let text = self.translator.host().code().to_vec();
        source.truncate(usize::try_from(piece.end - piece.start).ok()?.max(2));
        let (scope, code) = self.memory.insert("piece", PIECE_SIGNATURE, text)?;
        let place = code.address().0;
        for entry in &piece.entries {
            let code = PieceCode::of(&code, entry.host)?;
            self.entries.entry(entry.pc).or_insert((place, code));
        }
        let installed = Installed {
            _scope: scope,
            text_len: code.text_len_bytes(),
            piece,
            source,
            is_removed: false,
        };
        self.by_text.insert(place, installed);
        self.translated += 1;
        self.spent_ns += elapsed_ns(start);
        Some(())
    }

    /// The guest PC of the instruction whose code holds `host_pc`.
    pub(super) fn guest_pc(&self, host_pc: u64) -> Option<u64> {
        let (start, installed) = self.by_text.range(..=host_pc).next_back()?;
        let offset = u32::try_from(host_pc - start).ok()?;
        if offset >= installed.text_len {
            return None;
        }
        installed.piece.guest_pc_at(offset)
    }

    /// Removes the pieces with guest code in `range` of which `is_gone` says so, given its start and
    /// bytes. Returns whether there were any.
    pub(super) fn remove(
        &mut self,
        range: &Range<u64>,
        mut is_gone: impl FnMut(u64, &[u8]) -> bool,
    ) -> bool {
        self.removals += 1;
        let before = self.removed.len();
        for (place, installed) in &mut self.by_text {
            let Installed { piece, source, .. } = &*installed;
            let end = piece.start + source.len() as u64;
            let overlaps = piece.start < range.end && range.start < end;
            if overlaps && !installed.is_removed && is_gone(piece.start, source) {
                for entry in &piece.entries {
                    let is_its = |(of, _): &(u64, PieceCode)| of == place;
                    if self.entries.get(&entry.pc).is_some_and(is_its) {
                        self.entries.remove(&entry.pc);
                    }
                }
                installed.is_removed = true;
                self.removed.push((self.removals, *place));
            }
        }
        self.removed.len() > before
    }

    /// Lets go of what was removed up to removal `upto`: no thread runs it any more.
    pub(super) fn retire(&mut self, upto: u64) {
        let by_text = &mut self.by_text;
        self.removed.retain(|(removal, place)| {
            if *removal <= upto {
                by_text.remove(place);
            }
            *removal > upto
        });
    }
}

/// Where code comes to lie.
#[derive(Debug)]
struct CodeMemory {
    cache: Cache,
    environment: Environment,
    id: ScopeId,
}

impl CodeMemory {
    /// Makes code of bytes that work wherever they are. It is there as long as the scope, or itself.
    fn insert(&self, name: &str, signature: Signature, bytes: Vec<u8>) -> Option<(Scope, Code)> {
        let Self {
            cache,
            environment,
            id,
        } = self;
        let scope = cache.scope(environment, id.clone(), Box::new(|_| None));
        let artifact = Artifact {
            name: name.to_owned(),
            signature,
            text: Section {
                bytes,
                align: ALIGN,
            },
            ..Artifact::default()
        };
        let code = scope.insert(scope.unkeepable(), artifact).ok()?;
        Some((scope, code))
    }
}
