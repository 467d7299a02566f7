//! Programs: all the code and data that a front made together, opened in one step.
//!
//! Entries of a scope are found one by one under their own keys, and what they refer to is bound by
//! name, since another run may give a name another meaning. A program has one key for all of it: its
//! parts refer to each other directly, they are verified together, and none is looked at before
//! someone asks for it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rekindle_artifact::{Artifact, SectionKind, SourceLocation};
use rekindle_exec::HostAddr;
use rekindle_exec::fork_gate::enter;
use rekindle_store::image::{
    Damaged, ProgramPlaces, ProgramView, StoredBinding, StoredCell, StoredValue, UnverifiedEntry,
};

use crate::code::{Code, Located};
use crate::loaded::LoadedImage;

/// A program that is to be kept.
#[derive(Clone, Debug, Default)]
pub struct ProgramDraft {
    /// Code and data.
    pub parts: Vec<ProgramPart>,
    /// Symbols, by number.
    pub symbols: Vec<ProgramDraftSymbol>,
    /// What the front wants back as it is.
    pub front: Vec<u8>,
}

/// A piece of a program.
#[derive(Clone, Debug)]
pub enum ProgramPart {
    /// Code that was inserted or looked up.
    Code {
        /// The code.
        code: Code,
        /// What is added to each of its source locations: they may be distances, under a key that
        /// doesn't say from where.
        location_base: u32,
    },
    /// Data alone.
    Data(Arc<Artifact>),
}

/// A symbol of a program that is to be kept.
#[derive(Clone, Debug, Default)]
pub struct ProgramDraftSymbol {
    /// What [`Program::find`] finds it by, if anything. No two symbols have the same.
    pub name: Option<String>,
    /// What the relocations of the program's parts call it.
    pub reference: String,
    /// The number of the part and the section at whose start it is, if the program has it. What it
    /// hasn't is bound by its reference.
    pub place: Option<(usize, SectionKind)>,
    /// Its length in bytes.
    pub len: u32,
}

/// A program that another process made. A cheap handle that keeps it mapped.
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

struct Inner {
    image: Arc<LoadedImage>,
    places: ProgramPlaces,
    waiting: Mutex<Vec<Waiting>>,
    /// By address, once someone asked.
    codes: OnceLock<Vec<Code>>,
}

/// A field of 8 bytes without a value, from the image's base.
struct Waiting {
    address: u32,
    name: String,
    addend: i64,
}

impl ProgramPart {
    /// The artifact; `None` if the parts of an image that only this needs are damaged.
    pub(crate) fn artifact(&self) -> Option<Arc<Artifact>> {
        match self {
            Self::Code {
                code,
                location_base: 0,
            } => code.artifact(),
            Self::Code {
                code,
                location_base,
            } => {
                let mut artifact = Artifact::clone(&*code.artifact()?);
                for SourceLocation { location, .. } in &mut artifact.source_locations {
                    *location = location.wrapping_add(*location_base);
                }
                Some(Arc::new(artifact))
            }
            Self::Data(artifact) => Some(Arc::clone(artifact)),
        }
    }
}

impl Program {
    /// Verifies the program of an image, and gives it its memory.
    pub(crate) fn load(image: &Arc<LoadedImage>) -> Result<Self, Damaged> {
        let view = image.view();
        let places = view.program()?.ok_or(Damaged)?;
        let program = places.view(view.bytes());
        let bindings = program.bindings()?;
        image.register_program_frames()?;
        let write = |address: u32, bytes: &[u8]| image.write(address, bytes).map_err(|_| Damaged);
        let initial = program.initial();
        if initial.iter().any(|byte| *byte != 0) {
            write(0, initial)?;
        }
        let mut waiting = Vec::new();
        for StoredCell { index, name } in bindings.cells {
            waiting.push(Waiting {
                address: index.checked_mul(8).ok_or(Damaged)?,
                name: name.to_owned(),
                addend: 0,
            });
        }
        for StoredBinding { address, value } in bindings.fields {
            match value {
                StoredValue::Local(offset) => {
                    let value = image.base().0.wrapping_add_signed(offset);
                    write(address, &value.to_le_bytes())?;
                }
                StoredValue::Symbol { name, addend } => waiting.push(Waiting {
                    address,
                    name: name.to_owned(),
                    addend,
                }),
            }
        }
        let inner = Inner {
            image: Arc::clone(image),
            places,
            waiting: Mutex::new(waiting),
            codes: OnceLock::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(crate) fn image(&self) -> &Arc<LoadedImage> {
        &self.inner.image
    }

    /// Gives the program's references to what isn't part of it their values, as far as `value_of`
    /// knows them. Returns the names that it doesn't know; until they are known, nothing of the
    /// program may run.
    pub fn bind_names(&self, value_of: &mut dyn FnMut(&str) -> Option<u64>) -> Vec<String> {
        let _inside = enter();
        let waiting = &self.inner.waiting;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|field| {
            let Some(value) = value_of(&field.name) else {
                return true;
            };
            let value = value.wrapping_add_signed(field.addend);
            // The digest vouches for the address.
            if let Err(error) = self.inner.image.write(field.address, &value.to_le_bytes()) {
                tracing::error!(%error, "a field lies outside of its memory");
            }
            false
        });
        waiting.iter().map(|field| field.name.clone()).collect()
    }

    /// How many symbols there are.
    pub fn symbol_count(&self) -> u32 {
        self.view().symbol_count()
    }

    /// The number of the symbol of this name.
    pub fn find(&self, name: &str) -> Option<u32> {
        let Inner { image, places, .. } = &*self.inner;
        places.find(image.bytes(), name)
    }

    /// The name of a symbol, if it has one.
    pub fn name(&self, symbol: u32) -> Option<&str> {
        self.view().symbol(symbol)?.name
    }

    /// The address of a symbol, if the program has what it stands for.
    pub fn address(&self, symbol: u32) -> Option<HostAddr> {
        let Inner { image, places, .. } = &*self.inner;
        let address = places.address(image.bytes(), symbol)?;
        Some(image.base().offset(address.into()))
    }

    /// The length in bytes of what a symbol stands for.
    pub fn len_bytes(&self, symbol: u32) -> Option<u32> {
        Some(self.view().symbol(symbol)?.len)
    }

    /// What the front kept.
    pub fn front(&self) -> &[u8] {
        self.view().front()
    }

    /// How many pieces of code and data there are.
    pub fn part_count(&self) -> u32 {
        self.inner.image.entry_count()
    }

    /// The code whose entry point is at an address.
    pub fn code_at(&self, entry: HostAddr) -> Option<&Code> {
        let codes = self.codes();
        let index = codes.binary_search_by_key(&entry, Code::address).ok()?;
        Some(&codes[index])
    }

    /// What each piece was made of; none for one whose parts that only this needs are damaged.
    pub(crate) fn artifacts(&self) -> Vec<Option<Artifact>> {
        let image = &self.inner.image;
        let view = image.view();
        let artifact = |entry: UnverifiedEntry<'_>| image.artifact(&entry.verify().ok()?);
        view.entries().map(artifact).collect()
    }

    /// The code that an address lies in.
    pub fn code_containing(&self, pc: HostAddr) -> Option<&Code> {
        let codes = self.codes();
        let after = codes.partition_point(|code| code.address() <= pc);
        let code = codes.get(after.checked_sub(1)?)?;
        let offset = pc.0 - code.address().0;
        (offset < code.text_len_bytes().into()).then_some(code)
    }

    /// What is at a host address, if it lies in code of the program.
    pub fn locate(&self, pc: HostAddr) -> Option<Located> {
        let located = self.code_containing(pc).and_then(|code| code.locate(pc));
        match located {
            // The part of the image with names may be damaged, which nothing but this depends on.
            Some(located) if !located.name.is_empty() => Some(located),
            located => self.locate_by_symbol(pc).or(located),
        }
    }

    /// What is at an address by the symbols alone, should the tables beside the code be damaged.
    fn locate_by_symbol(&self, pc: HostAddr) -> Option<Located> {
        let view = self.view();
        (0..view.symbol_count()).find_map(|number| {
            let symbol = view.symbol(number)?;
            let start = self.inner.image.base().offset(symbol.address?.into());
            let offset = u32::try_from(pc.0.checked_sub(start.0)?).ok()?;
            (offset < symbol.len).then(|| Located {
                name: symbol.name.unwrap_or_default().to_owned(),
                offset,
                source_location: None,
                trap: None,
            })
        })
    }

    /// All code, by address: made when first asked for, since running needs none of it.
    fn codes(&self) -> &[Code] {
        let _inside = enter();
        self.inner.codes.get_or_init(|| {
            let image = &self.inner.image;
            let view = image.view();
            let mut codes: Vec<Code> = view
                .entries()
                .filter_map(|entry| entry.verify().ok())
                .filter(|record| record.text_len_bytes() > 0)
                .map(|record| Code::loaded(Arc::clone(image), &record))
                .collect();
            codes.sort_unstable_by_key(Code::address);
            codes
        })
    }

    fn view(&self) -> ProgramView<'_> {
        self.inner.places.view(self.inner.image.bytes())
    }
}

impl core::fmt::Debug for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Program")
            .field("symbols", &self.symbol_count())
            .finish_non_exhaustive()
    }
}
