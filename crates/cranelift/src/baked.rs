//! Functions that bake an address of this process into their code, and so can never be found.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode};
use cranelift_module::FuncId;

use crate::module::JITModule;

/// Names that are kept; the others are only counted.
const MAX_NAMES: usize = 64;

/// Other constants aren't taken for addresses: programs have too many small ones, and no process has
/// the negative ones.
const ADDRESSES: Range<u64> = 1 << 32..1 << 56;

/// What is mapped doesn't change often enough to be read for every function.
const MAX_AGE: Duration = Duration::from_millis(100);

/// What was mapped when it was last read, by address.
struct Mapped {
    ranges: Vec<Range<u64>>,
    read_at: Instant,
}

static MAPPED: Mutex<Option<Mapped>> = Mutex::new(None);

impl JITModule {
    /// Functions of this module that hold a constant which is an address of this process. They
    /// are compiled anew in each process, since the constant differs: give the address a name with
    /// [`JITBuilder::symbol`](crate::JITBuilder::symbol). The first few by name;
    /// [`rekindle::Statistics::baked_addresses`] counts all.
    pub fn functions_with_baked_addresses(&self) -> &[String] {
        &self.baked
    }

    /// Called where a function wasn't found.
    pub(crate) fn note_baked_addresses(&mut self, id: FuncId, func: &Function) {
        if !self.cache.is_persistent() || !constants(func).any(is_mapped) {
            return;
        }
        let decl = self.declarations.get().get_function_decl(id);
        let name = decl.linkage_name(id).into_owned();
        tracing::debug!(name, "a function bakes an address: name it");
        self.cache.note_baked_address(&name);
        if self.baked.len() < MAX_NAMES {
            self.baked.push(name);
        }
    }
}

/// The constants of a function that are large enough for an address. Instructions are asked in the
/// order of their numbers, in which they lie in memory, and then whether the function has them still.
fn constants(func: &Function) -> impl Iterator<Item = u64> {
    // Instructions are numbered by 32 bits.
    let insts = (0..func.dfg.num_insts() as u32).map(Inst::from_u32);
    insts.filter_map(|inst| match func.dfg.insts[inst] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } => Some(imm.bits().cast_unsigned())
            .filter(|value| ADDRESSES.contains(value))
            .filter(|_| func.layout.inst_block(inst).is_some()),
        _ => None,
    })
}

fn is_mapped(address: u64) -> bool {
    let Ok(mut mapped) = MAPPED.lock() else {
        return false;
    };
    let holds = |mapped: &Mapped| {
        let after = mapped
            .ranges
            .partition_point(|range| range.start <= address);
        after > 0 && mapped.ranges[after - 1].contains(&address)
    };
    match &*mapped {
        Some(known) if holds(known) => true,
        Some(known) if known.read_at.elapsed() < MAX_AGE => false,
        _ => {
            let known = mapped.insert(Mapped {
                ranges: read_maps(),
                read_at: Instant::now(),
            });
            holds(known)
        }
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
    use super::is_mapped;

    #[test]
    fn what_is_mapped_is_told_from_what_is_not() {
        static HERE: u64 = 7;
        let heap = Box::new(3);
        assert!(is_mapped((&raw const HERE).addr() as u64));
        assert!(is_mapped((&raw const *heap).addr() as u64));
        assert!(!is_mapped(0x9e37_79b9_7f4a_7c15));
        assert!(!is_mapped(1 << 33));
    }
}
