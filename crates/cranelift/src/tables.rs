//! What Cranelift says of a function's code beside the code itself, by offset: kept with it, and as
//! good from the cache as from the compiler.

use std::num::NonZeroU8;
use std::ops::Range;

use cranelift_codegen::ir::{ExceptionTag, SourceLoc, TrapCode, Type};
use cranelift_codegen::{CompiledCode, ExceptionContextLoc, FinalizedMachExceptionHandler};
use cranelift_module::FuncId;
use rekindle::{Code, Relocation, Target};

use crate::module::JITModule;
use crate::reference::Reference;
use crate::types::{type_of, type_word};

/// What is known of a function's code. All offsets are bytes from its first.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FunctionTables {
    /// Instructions that may trap, and why, ascending.
    pub traps: Vec<(u32, TrapCode)>,
    /// Where code came from, ascending.
    pub source_locations: Vec<(Range<u32>, SourceLoc)>,
    /// What the embedder's collector finds in frames, ascending by offset.
    pub stack_maps: Vec<StackMap>,
    /// Calls with exception handlers: those of `try_call` and `try_call_indirect`.
    pub call_sites: Vec<CallSite>,
}

/// A function's machine code, position-independent and not yet linked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionCode {
    /// The code, with zeroes in the fields that [`Self::relocations`] fill.
    pub bytes: Vec<u8>,
    /// Fields that linking fills, ascending.
    pub relocations: Vec<FunctionRelocation>,
}

/// A field of a function's code that linking fills.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionRelocation {
    /// Where it starts, in bytes from the first of the code.
    pub offset: u32,
    /// How many bytes it has.
    pub len: u32,
    /// The name of what it refers to; `None` if that is the function itself.
    pub target: Option<String>,
    /// What is added to the target's address.
    pub addend: i64,
}

/// What a frame holds while a call is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackMap {
    /// Where the call returns to.
    pub return_offset: u32,
    /// The bytes of the frame that the map covers.
    pub span_bytes: u32,
    /// The type of each value, and its distance from the stack pointer in bytes.
    pub entries: Vec<(Type, u32)>,
}

/// A call with exception handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// Where the call returns to.
    pub return_offset: u32,
    /// The distance from the frame pointer down to the stack pointer during the call, if known.
    pub frame_offset: Option<u32>,
    /// The first that matches handles the exception.
    pub handlers: Vec<FinalizedMachExceptionHandler>,
}

impl JITModule {
    /// What is known of the code of a function beside the code: the same whether the function was
    /// compiled or found. `None` for one that isn't defined, or was given as bytes.
    pub fn function_tables(&self, func_id: FuncId) -> Option<FunctionTables> {
        let (code, base) = self.code_of(func_id)?;
        let mut tables = FunctionTables::default();
        for trap in code.traps() {
            let raw = u8::try_from(trap.code).ok().and_then(NonZeroU8::new)?;
            tables.traps.push((trap.offset, TrapCode::from_raw(raw)));
        }
        let locations = code.source_locations().into_iter();
        tables.source_locations = locations
            .map(|location| {
                (
                    location.start..location.end,
                    SourceLoc::new(location.location.wrapping_add(base)),
                )
            })
            .collect();
        read_metadata(code.metadata(), &mut tables)?;
        Some(tables)
    }

    /// The machine code of a function as it was compiled, and what it refers to: the same whether the
    /// function was compiled or found. `None` for one that isn't defined, or was given as bytes, or if what
    /// only this needs is damaged.
    pub fn function_code(&self, func_id: FuncId) -> Option<FunctionCode> {
        let (code, _) = self.code_of(func_id)?;
        let (bytes, relocations) = code.unlinked()?;
        let relocations = relocations.into_iter().map(|relocation| {
            let Relocation {
                offset,
                kind,
                target,
                addend,
                ..
            } = relocation;
            let target = match &target {
                Target::Section(_) => None,
                Target::Symbol(reference) => Some(Reference::name_in(reference)),
            };
            FunctionRelocation {
                offset,
                len: kind.field_len_bytes() as u32,
                target,
                addend,
            }
        });
        Some(FunctionCode {
            relocations: relocations.collect(),
            bytes,
        })
    }

    /// The code of a function, whichever way it came, and what its source locations count from.
    pub(crate) fn code_of(&self, func_id: FuncId) -> Option<(&Code, u32)> {
        if let Some(function) = &self.functions[func_id] {
            return Some((function.code.as_ref()?, function.location_base));
        }
        self.programs.iter().find_map(|program| {
            let entry = program.function(func_id)?;
            Some((program.program.code_at(entry)?, 0))
        })
    }
}

/// A function's metadata: how many words of our own there are, those, and what a feature of this
/// crate adds. Nothing, if there is nothing to say.
pub(crate) fn metadata(compiled: &CompiledCode, added: &[u8]) -> Vec<u8> {
    let mut words = vec![0];
    write(compiled, &mut words);
    if words.iter().all(|word| *word == 0) && added.is_empty() {
        return Vec::new();
    }
    words[0] = words.len() as u32 - 1;
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.chain(added.iter().copied()).collect()
}

/// Our own words of some metadata; `None` if there are none.
fn own_words(metadata: &[u8]) -> Option<&[[u8; 4]]> {
    let (count, words) = metadata.as_chunks().0.split_first()?;
    words.get(..u32::from_le_bytes(*count) as usize)
}

/// What a feature of this crate added to some metadata.
#[cfg(feature = "wasmtime-unwinder")]
pub(crate) fn added(metadata: &[u8]) -> Option<&[u8]> {
    metadata.get(4 + 4 * own_words(metadata)?.len()..)
}

const TAG: u32 = 0;
const DEFAULT: u32 = 1;
const CONTEXT_ON_STACK: u32 = 2;
const CONTEXT_IN_REGISTER: u32 = 3;

/// What stands for a frame offset that isn't known; no frame has it.
const UNKNOWN: u32 = u32::MAX;

fn write(compiled: &CompiledCode, words: &mut Vec<u32>) {
    let stack_maps = compiled.buffer.user_stack_maps();
    words.push(stack_maps.len() as u32);
    for (return_offset, span, map) in stack_maps {
        words.extend([*return_offset, *span, map.entries().count() as u32]);
        for (ty, offset) in map.entries() {
            words.extend([type_word(ty), offset]);
        }
    }
    let handled = || {
        let sites = compiled.buffer.call_sites();
        sites.filter(|site| !site.exception_handlers.is_empty())
    };
    words.push(handled().count() as u32);
    for site in handled() {
        let frame = site.frame_offset.unwrap_or(UNKNOWN);
        words.extend([site.ret_addr, frame, site.exception_handlers.len() as u32]);
        for handler in site.exception_handlers {
            use FinalizedMachExceptionHandler as H;
            words.extend(match *handler {
                H::Tag(tag, offset) => [TAG, tag.as_u32(), offset],
                H::Default(offset) => [DEFAULT, 0, offset],
                H::Context(ExceptionContextLoc::SPOffset(offset)) => [CONTEXT_ON_STACK, offset, 0],
                H::Context(ExceptionContextLoc::GPR(number)) => {
                    [CONTEXT_IN_REGISTER, number.into(), 0]
                }
            });
        }
    }
}

/// Reads a function's metadata. `None` if there are words of our own that are something else.
pub(crate) fn read_metadata(metadata: &[u8], tables: &mut FunctionTables) -> Option<()> {
    let Some(words) = own_words(metadata) else {
        return Some(());
    };
    read(
        &mut words.iter().map(|word| u32::from_le_bytes(*word)),
        tables,
    )
}

/// Reads what [`write`] wrote. `None` if the words are something else.
fn read(words: &mut impl Iterator<Item = u32>, tables: &mut FunctionTables) -> Option<()> {
    for _ in 0..words.next()? {
        let (return_offset, span_bytes) = (words.next()?, words.next()?);
        let entries = (0..words.next()?).map(|_| Some((type_of(words.next()?)?, words.next()?)));
        tables.stack_maps.push(StackMap {
            return_offset,
            span_bytes,
            entries: entries.collect::<Option<_>>()?,
        });
    }
    for _ in 0..words.next()? {
        let (return_offset, frame_offset) = (words.next()?, words.next()?);
        let handlers =
            (0..words.next()?).map(|_| handler([words.next()?, words.next()?, words.next()?]));
        tables.call_sites.push(CallSite {
            return_offset,
            frame_offset: Some(frame_offset).filter(|offset| *offset != UNKNOWN),
            handlers: handlers.collect::<Option<_>>()?,
        });
    }
    Some(())
}

fn handler([kind, number, offset]: [u32; 3]) -> Option<FinalizedMachExceptionHandler> {
    use FinalizedMachExceptionHandler as H;
    Some(match kind {
        // The largest number stands for no tag at all.
        TAG if number < u32::MAX => H::Tag(ExceptionTag::from_u32(number), offset),
        DEFAULT => H::Default(offset),
        CONTEXT_ON_STACK => H::Context(ExceptionContextLoc::SPOffset(number)),
        CONTEXT_IN_REGISTER => H::Context(ExceptionContextLoc::GPR(number.try_into().ok()?)),
        _ => return None,
    })
}
