//! A program that was opened: what its numbers mean to a module.
//!
//! The symbols of a program are the functions of the module that made it, by their numbers, and
//! then its data objects. What the module had declared stands in the front's own bytes: a word for
//! each function and data object, then the signatures, each once.

use cranelift_codegen::ir::Signature;
use cranelift_module::{DataId, FuncId, FuncOrDataId, Linkage, ModuleDeclarations, ModuleResult};
use rekindle::{HostAddr, Program};

use crate::names::{LINKAGES, linkage_number};
use crate::signature;

/// A program of a module.
#[derive(Clone)]
pub(crate) struct OpenedProgram {
    pub(crate) program: Program,
    function_count: u32,
    /// The generation in which it was opened.
    pub(crate) generation: u32,
}

/// Words before those of the functions.
const HEAD_WORDS: usize = 2;

/// The front's own bytes of a program.
pub(crate) fn encode(declarations: &ModuleDeclarations) -> Vec<u8> {
    let mut known: Vec<&Signature> = Vec::new();
    let mut words = vec![0; HEAD_WORDS];
    for (_, decl) in declarations.get_functions() {
        // Functions with the same signature often stand together.
        let same = |signature: &&Signature| **signature == decl.signature;
        let index = known.iter().rposition(same).unwrap_or_else(|| {
            known.push(&decl.signature);
            known.len() - 1
        });
        words[0] += 1;
        words.push(linkage_number(decl.linkage) | (index as u32) << 8);
    }
    for (_, decl) in declarations.get_data_objects() {
        words[1] += 1;
        words.push(linkage_number(decl.linkage) | u32::from(decl.writable) << 8);
    }
    for known in known {
        signature::write(known, &mut words);
    }
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl OpenedProgram {
    /// `None` if the front's own bytes aren't ours.
    pub(crate) fn new(program: Program, generation: u32) -> Option<Self> {
        let mut loaded = Self {
            program,
            function_count: 0,
            generation,
        };
        loaded.function_count = loaded.word(0)?;
        let symbols = loaded.function_count.checked_add(loaded.word(1)?)?;
        (symbols == loaded.program.symbol_count()).then_some(loaded)
    }

    fn word(&self, index: usize) -> Option<u32> {
        let words = self.program.front().as_chunks().0;
        words.get(index).map(|word| u32::from_le_bytes(*word))
    }

    /// What a name stands for.
    pub(crate) fn find(&self, name: &str) -> Option<FuncOrDataId> {
        let symbol = self.program.find(name)?;
        Some(match symbol.checked_sub(self.function_count) {
            None => FuncOrDataId::Func(FuncId::from_u32(symbol)),
            Some(data) => FuncOrDataId::Data(DataId::from_u32(data)),
        })
    }

    fn function_symbol(&self, id: FuncId) -> Option<u32> {
        Some(id.as_u32()).filter(|number| *number < self.function_count)
    }

    fn data_symbol(&self, id: DataId) -> Option<u32> {
        self.function_count.checked_add(id.as_u32())
    }

    /// Where a function is, if the program defines it.
    pub(crate) fn function(&self, id: FuncId) -> Option<HostAddr> {
        self.program.address(self.function_symbol(id)?)
    }

    /// Where a data object is, if the program defines it, and its length in bytes.
    pub(crate) fn data(&self, id: DataId) -> Option<(HostAddr, usize)> {
        let symbol = self.data_symbol(id)?;
        let len = self.program.len_bytes(symbol)? as usize;
        Some((self.program.address(symbol)?, len))
    }

    pub(crate) fn function_name(&self, id: FuncId) -> Option<&str> {
        self.program.name(self.function_symbol(id)?)
    }

    pub(crate) fn data_name(&self, id: DataId) -> Option<&str> {
        self.program.name(self.data_symbol(id)?)
    }

    /// Whether declaring a function once more changes nothing.
    pub(crate) fn declares_function(
        &self,
        id: FuncId,
        linkage: Linkage,
        signature: &Signature,
    ) -> bool {
        let word = self.word(HEAD_WORDS + id.as_u32() as usize);
        word.is_some_and(|word| {
            is_merged(word, linkage)
                && self.signatures().nth((word >> 8) as usize).as_ref() == Some(signature)
        })
    }

    /// Whether declaring a data object once more changes nothing.
    pub(crate) fn declares_data(&self, id: DataId, linkage: Linkage, writable: bool) -> bool {
        let index = HEAD_WORDS + self.function_count as usize + id.as_u32() as usize;
        let word = self.word(index);
        word.is_some_and(|word| is_merged(word, linkage) && (!writable || word >> 8 & 1 == 1))
    }

    fn signatures(&self) -> impl Iterator<Item = Signature> {
        let symbols = self.program.symbol_count() as usize;
        let words = self.program.front().as_chunks().0.iter();
        let mut words = words
            .skip(HEAD_WORDS + symbols)
            .map(|word| u32::from_le_bytes(*word));
        std::iter::from_fn(move || signature::read(&mut words))
    }

    /// Declares all that the program's module had declared; what is declared already stays at its
    /// number.
    ///
    /// # Errors
    /// If a declaration contradicts another, which the program's key rules out.
    pub(crate) fn declare(&self, declarations: &mut ModuleDeclarations) -> ModuleResult<()> {
        let signatures: Vec<Signature> = self.signatures().collect();
        let declared = declarations.get_functions().count();
        for number in 0..self.function_count {
            let word = self.word(HEAD_WORDS + number as usize).unwrap_or(0);
            let Some(signature) = signatures.get((word >> 8) as usize) else {
                break;
            };
            match self.program.name(number) {
                Some(name) => {
                    declarations.declare_function(name, linkage(word), signature)?;
                }
                None if (number as usize) < declared => {}
                None => {
                    declarations.declare_anonymous_function(signature)?;
                }
            }
        }
        let declared = declarations.get_data_objects().count();
        for number in self.function_count..self.program.symbol_count() {
            let word = self.word(HEAD_WORDS + number as usize).unwrap_or(0);
            let writable = word >> 8 & 1 == 1;
            match self.program.name(number) {
                Some(name) => {
                    declarations.declare_data(name, linkage(word), writable, false)?;
                }
                None if ((number - self.function_count) as usize) < declared => {}
                None => {
                    declarations.declare_anonymous_data(writable, false)?;
                }
            }
        }
        Ok(())
    }
}

fn linkage(word: u32) -> Linkage {
    let found = LINKAGES
        .into_iter()
        .find(|linkage| linkage_number(*linkage) == word & 0xff);
    found.unwrap_or(Linkage::Import)
}

/// Whether `again` adds nothing to the linkage in a word.
fn is_merged(word: u32, again: Linkage) -> bool {
    again == Linkage::Import || linkage(word) == again
}
