//! Functions and data that hold an address of this process, and so mean nothing in another.
//!
//! A function under a key over its CLIF, constants included, can never be found wrongly; it would never be
//! found at all, so it is neither looked for nor kept, and it is named. Under a key of the embedder's, or in
//! a program, it would be: those aren't kept. An address is told by what is mapped. One that was taken apart isn't recognised.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode};
use cranelift_module::{DataDescription, Init};
use rekindle_exec::fork_gate::enter;

use crate::module::JITModule;

/// Names that are kept; the others are only counted.
const MAX_NAMES: usize = 64;

/// Why what holds an address can't be kept.
pub(crate) const OBSTACLE: &str = "holds an address of this process: give it a name";

/// No process has smaller addresses, nor larger ones for programs.
const ADDRESSES: Range<u64> = 1 << 16..1 << 56;

/// Programs have too many constants below this to ask for each: only one whose own code lies there, or
/// that asked for memory there, has such addresses.
const LOW_END: u64 = 1 << 32;

/// The bits of a word that hold an address where the others hold a tag.
const UNTAGGED: u64 = (1 << 48) - 1;

/// What is mapped doesn't change often enough to be read for every function, where nothing depends on it
/// but what a person is told.
const MAX_AGE: Duration = Duration::from_millis(100);

/// The system is asked for so many values, one by one, before it is asked for all that is mapped.
const MAX_ASKED: usize = 64;

/// What was mapped when it was last read, by address.
struct Mapped {
    ranges: Vec<Range<u64>>,
    read_at: Instant,
}

static MAPPED: Mutex<Option<Mapped>> = Mutex::new(None);

impl JITModule {
    /// Functions of this module that hold a constant which is an address of this process, and data of
    /// its programs that does. They are compiled anew in each process, since the constant differs: give
    /// the address a name with [`JITBuilder::symbol`](crate::JITBuilder::symbol). The first few by name;
    /// [`rekindle::Statistics::baked_addresses`] counts all.
    pub fn functions_with_baked_addresses(&self) -> &[String] {
        &self.baked
    }

    /// Notes what holds an address, and which.
    pub(crate) fn note_baked_name(&mut self, name: String, address: Option<u64>) {
        tracing::debug!(name, address, "an address is baked: name it");
        let is_first = self.cache.note_baked_address(&name);
        if let Some(address) = address.filter(|_| is_first) {
            self.cache.notice(&format!(
                "{name} holds {address:#x} as a constant, which is an address in this process and nothing that \
                 can be named: it isn't kept, nor is any other such function; give the address a name with \
                 JITBuilder::symbol"
            ));
        }
        if self.baked.len() < MAX_NAMES {
            self.baked.push(name);
        }
    }

    /// Whether a function holds an address, if it matters.
    pub(crate) fn bakes_address(&self, func: &Function) -> bool {
        self.cache.is_persistent() && hold_address_now(|| constants(func))
    }
}

/// A constant of a function that may be an address.
#[derive(Clone, Copy)]
pub(crate) struct Suspect {
    pub(crate) value: u64,
    /// The instruction whose result it is, if it is one's.
    pub(crate) inst: Option<Inst>,
}

impl Suspect {
    /// Whether the constant is an address of this process, with a tag or without.
    pub(crate) fn is_address(self) -> bool {
        // Most numbers with a fraction look as if they had a tag: the system isn't asked for each.
        let is_tagged = || {
            let untagged = self.value & UNTAGGED;
            untagged != self.value && held_address_lately(|| [untagged].into_iter())
        };
        is_address(self.value) || is_tagged()
    }
}

/// The constants of a function that may be addresses.
pub(crate) fn suspects(func: &Function) -> impl Iterator<Item = Suspect> {
    let iconst = |inst: Inst| match func.dfg.insts[inst] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            ..
        } => Some(inst),
        _ => None,
    };
    immediates(func)
        .map(move |(inst, value)| Suspect {
            value,
            inst: iconst(inst),
        })
        .chain(pooled(func).map(|value| Suspect { value, inst: None }))
}

fn is_address(value: u64) -> bool {
    if !ADDRESSES.contains(&value) {
        return false;
    }
    if value < LOW_END {
        // What is asked for costs more than it tells, unless something is there at all.
        return held_address_lately(|| [value].into_iter());
    }
    hold_address_now(|| [value].into_iter())
}

/// Whether a data object's bytes hold an address, but where it will be told what to hold.
pub(crate) fn in_data(description: &DataDescription) -> bool {
    let Init::Bytes { contents } = &description.init else {
        return false;
    };
    let functions = description.function_relocs.iter().map(|(at, _)| *at);
    let data = description.data_relocs.iter().map(|(at, ..)| *at);
    let mut told: Vec<usize> = functions.chain(data).map(|at| at as usize).collect();
    told.sort_unstable();
    let words = || {
        let words = contents.windows(8).enumerate();
        words.filter_map(|(at, word)| {
            let word = word.first_chunk().map(|word| u64::from_le_bytes(*word))?;
            let is_aligned = at % 8 == 0;
            // Every other number is something else sooner than an address that nobody aligned.
            let word = match word {
                LOW_END..UNTAGGED => word,
                0..LOW_END if is_aligned => word,
                _ if is_aligned && is_boxed(word) => word & UNTAGGED,
                _ => return None,
            };
            (ADDRESSES.contains(&word) && told.binary_search(&at).is_err()).then_some(word)
        })
    };
    hold_address_now(words)
}

/// Whether a word is a pointer in the place of a number that is none, as interpreters box them.
fn is_boxed(word: u64) -> bool {
    matches!(word >> 48, 0x7ff8..=0x7fff | 0xfff8..=0xffff)
}

/// The constants of a function that may be addresses, tagged ones without their tags, too.
fn constants(func: &Function) -> impl Iterator<Item = u64> {
    let all = immediates(func).map(|(_, value)| value).chain(pooled(func));
    all.flat_map(|value| [value, value & UNTAGGED])
}

/// Constants that may be addresses as instructions have them. Instructions are asked in the order of their
/// numbers, in which they lie in memory, and then whether the function has them still.
fn immediates(func: &Function) -> impl Iterator<Item = (Inst, u64)> {
    // Instructions are numbered by 32 bits.
    let insts = (0..func.dfg.num_insts() as u32).map(Inst::from_u32);
    insts.filter_map(|inst| {
        let value = match func.dfg.insts[inst] {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => imm.bits().cast_unsigned(),
            InstructionData::UnaryIeee64 { imm, .. } => imm.bits(),
            #[cfg(not(since_0_133))]
            InstructionData::BinaryImm64 { imm, .. }
            | InstructionData::IntCompareImm { imm, .. } => imm.bits().cast_unsigned(),
            _ => return None,
        };
        Some((inst, value))
            .filter(|_| may_be_address(value))
            .filter(|_| func.layout.inst_block(inst).is_some())
    })
}

/// Words of a function's larger constants that may be addresses.
fn pooled(func: &Function) -> impl Iterator<Item = u64> {
    let pools = func.dfg.constants.iter().map(|(_, data)| data);
    let words = pools.flat_map(|data| {
        let words = data.as_slice().as_chunks::<8>().0;
        words.iter().map(|word| u64::from_le_bytes(*word))
    });
    words.filter(|word| may_be_address(*word))
}

fn may_be_address(value: u64) -> bool {
    ADDRESSES.contains(&value) || ADDRESSES.contains(&(value & UNTAGGED))
}

/// Whether one of some values is an address of this process, by what is mapped now.
///
/// Asks for each value, as far as they are few, and else for all that is mapped: what was mapped before says
/// nothing of what is mapped now.
fn hold_address_now<I: Iterator<Item = u64>>(values: impl Fn() -> I) -> bool {
    let mut candidates = values().filter(|value| ADDRESSES.contains(value));
    for candidate in candidates.by_ref().take(MAX_ASKED) {
        match rekindle_exec::is_mapped(candidate) {
            Some(true) => return true,
            Some(false) => {}
            None => return is_among_mapped(&values),
        }
    }
    candidates.next().is_some() && is_among_mapped(&values)
}

fn is_among_mapped<I: Iterator<Item = u64>>(values: &impl Fn() -> I) -> bool {
    let known = Mapped::read();
    // Where the system doesn't say, nobody knows.
    known.ranges.is_empty() || values().any(|value| known.holds(value))
}

/// The same by what was mapped lately, where nothing depends on it but what a person is told.
fn held_address_lately<I: Iterator<Item = u64>>(values: impl Fn() -> I) -> bool {
    if values().next().is_none() {
        return false;
    }
    let _inside = enter();
    let Ok(mut mapped) = MAPPED.lock() else {
        return false;
    };
    if let Some(known) = &*mapped {
        if values().any(|value| known.holds(value)) {
            return true;
        }
        let is_recent = known.read_at.elapsed() < MAX_AGE;
        if is_recent || !values().any(|value| known.is_worth_asking(value)) {
            return false;
        }
    }
    let known = mapped.insert(Mapped::read());
    values().any(|value| known.holds(value))
}

impl Mapped {
    fn read() -> Self {
        Self {
            ranges: read_maps(),
            read_at: Instant::now(),
        }
    }

    fn holds(&self, address: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= address);
        after > 0 && self.ranges[after - 1].contains(&address)
    }

    fn is_worth_asking(&self, address: u64) -> bool {
        let has_low = || {
            self.ranges
                .first()
                .is_some_and(|first| first.start < LOW_END)
        };
        ADDRESSES.contains(&address) && (address >= LOW_END || has_low())
    }
}

fn read_maps() -> Vec<Range<u64>> {
    let mut text = Vec::with_capacity(32 << 10);
    let read = File::open("/proc/self/maps").and_then(|mut file| file.read_to_end(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(number(start)?..number(end)?)
    };
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(range)
        .collect()
}

#[cfg(test)]
mod tests {
    use cranelift_module::DataDescription;

    use super::{hold_address_now, in_data};

    static HERE: u64 = 7;

    fn here() -> u64 {
        (&raw const HERE).addr() as u64
    }

    #[test]
    fn what_is_mapped_is_told_from_what_is_not() {
        let heap = Box::new(3);
        let is_address = |value| hold_address_now(|| [value].into_iter());
        assert!(is_address(here()));
        assert!(is_address((&raw const *heap).addr() as u64));
        assert!(!is_address(0x9e37_79b9_7f4a_7c15));
        assert!(!is_address(1 << 33));
        assert!(!hold_address_now(|| [].into_iter()));
    }

    #[test]
    fn memory_that_was_mapped_just_now_is_known() {
        let is_address = |value| hold_address_now(|| [value].into_iter());
        assert!(is_address(here()));
        // Too large for what is mapped already, whatever the allocator.
        let fresh: Vec<u8> = Vec::with_capacity(64 << 20);
        assert!(is_address(fresh.as_ptr().addr() as u64 + (32 << 20)));
    }

    #[test]
    fn addresses_in_data_are_found_wherever_they_are() {
        let holds = |bytes: Vec<u8>| {
            let mut data = DataDescription::new();
            data.define(bytes.into());
            in_data(&data)
        };
        assert!(!holds(Vec::new()));
        assert!(!holds(vec![7; 100]));
        for before in [0, 3, 8, 11] {
            let mut bytes = vec![0xcc; before];
            bytes.extend(here().to_le_bytes());
            assert!(holds(bytes), "{before}");
        }
        let boxed = 0xfffc << 48 | here();
        assert!(holds(boxed.to_le_bytes().to_vec()));
        let mut told = DataDescription::new();
        told.define(here().to_le_bytes().to_vec().into());
        let function = told.import_function(cranelift_module::ModuleRelocTarget::user(0, 0));
        told.write_function_addr(0, function);
        assert!(!in_data(&told));
    }
}
