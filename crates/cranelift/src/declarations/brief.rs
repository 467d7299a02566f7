//! Declarations as a module keeps them until someone asks for Cranelift's own.
//!
//! [`ModuleDeclarations`] holds two copies of each name and one of each signature, for everyone who
//! may want to change them. A module whose functions all come from the cache needs to know them, and
//! no more: here names stand one behind the other, and signatures once.

use cranelift_codegen::ir::Signature;
use cranelift_module::{DataId, FuncId, FuncOrDataId, Linkage, ModuleDeclarations};
use hashbrown::HashTable;
use rekindle::name_hash;

use super::{DataDecl, FunctionDecl};
use crate::names::signature_digest;

/// A signature is looked for among so many of the last ones. One that comes again later has two
/// places, which harms nobody.
const RECENT_SIGNATURES: usize = 8;

/// Declarations of named functions and data.
#[derive(Default)]
pub(super) struct BriefDeclarations {
    /// All names, one behind the other.
    names: String,
    functions: Vec<BriefFunction>,
    data: Vec<BriefData>,
    /// With their digests.
    signatures: Vec<(Signature, u64)>,
    by_name: HashTable<Number>,
}

/// The number of a function, or of a data object with its top bit set: half of what both would take
/// apart, in a table that has room for twice as many.
#[derive(Clone, Copy)]
struct Number(u32);

const IS_DATA: u32 = 1 << 31;

struct BriefFunction {
    name: NamePlace,
    linkage: Linkage,
    /// Its index.
    signature: u32,
}

struct BriefData {
    name: NamePlace,
    linkage: Linkage,
    writable: bool,
}

/// Where a name is.
#[derive(Clone, Copy)]
struct NamePlace {
    start: u32,
    len: u32,
}

impl Number {
    fn of_function(index: usize) -> Option<Self> {
        let number = u32::try_from(index).ok().filter(|number| *number < IS_DATA);
        number.map(Self)
    }

    fn of_data(index: usize) -> Option<Self> {
        Self::of_function(index).map(|Self(number)| Self(number | IS_DATA))
    }

    fn id(self) -> FuncOrDataId {
        let index = self.0 & !IS_DATA;
        match self.0 & IS_DATA {
            0 => FuncOrDataId::Func(FuncId::from_u32(index)),
            _ => FuncOrDataId::Data(DataId::from_u32(index)),
        }
    }
}

impl BriefDeclarations {
    /// Declares a function, or finds that it is declared already. `None` for whatever Cranelift has to
    /// judge.
    pub(super) fn declare_function(
        &mut self,
        name: &str,
        linkage: Linkage,
        signature: &Signature,
    ) -> Option<FuncId> {
        match self.find(name) {
            Some(FuncOrDataId::Func(id)) => {
                let decl = self.function(id);
                let changes_nothing = adds_nothing(decl.linkage, linkage);
                (changes_nothing && decl.signature == signature).then_some(id)
            }
            Some(FuncOrDataId::Data(_)) => None,
            None => {
                let number = Number::of_function(self.functions.len())?;
                let place = self.add_name(name)?;
                let signature = self.add_signature(signature);
                self.functions.push(BriefFunction {
                    name: place,
                    linkage,
                    signature,
                });
                self.index(name, number);
                Some(FuncId::from_u32(number.0))
            }
        }
    }

    /// Declares data, or finds that it is declared already. `None` for whatever Cranelift has to judge.
    pub(super) fn declare_data(
        &mut self,
        name: &str,
        linkage: Linkage,
        writable: bool,
    ) -> Option<DataId> {
        match self.find(name) {
            Some(FuncOrDataId::Data(id)) => {
                let decl = self.data(id);
                let changes_nothing = adds_nothing(decl.linkage, linkage);
                (changes_nothing && (decl.writable || !writable)).then_some(id)
            }
            Some(FuncOrDataId::Func(_)) => None,
            None => {
                let number = Number::of_data(self.data.len())?;
                let id = DataId::from_u32(self.data.len() as u32);
                let place = self.add_name(name)?;
                self.data.push(BriefData {
                    name: place,
                    linkage,
                    writable,
                });
                self.index(name, number);
                Some(id)
            }
        }
    }

    /// What a name was declared as.
    pub(super) fn find(&self, name: &str) -> Option<FuncOrDataId> {
        let is_it = |number: &Number| self.name_of(*number) == name;
        let found = self.by_name.find(name_hash(name), is_it);
        found.map(|number| number.id())
    }

    /// How many functions there are.
    pub(super) fn function_count(&self) -> usize {
        self.functions.len()
    }

    pub(super) fn function(&self, id: FuncId) -> FunctionDecl<'_> {
        let BriefFunction {
            name,
            linkage,
            signature,
        } = &self.functions[id.as_u32() as usize];
        FunctionDecl {
            name: Some(self.name(*name)),
            linkage: *linkage,
            signature: &self.signatures[*signature as usize].0,
        }
    }

    /// The digest of a function's signature.
    pub(super) fn signature_digest(&self, id: FuncId) -> u64 {
        let index = self.functions[id.as_u32() as usize].signature;
        self.signatures[index as usize].1
    }

    pub(super) fn data(&self, id: DataId) -> DataDecl<'_> {
        let BriefData {
            name,
            linkage,
            writable,
        } = &self.data[id.as_u32() as usize];
        DataDecl {
            name: Some(self.name(*name)),
            linkage: *linkage,
            writable: *writable,
            tls: false,
        }
    }

    /// The same as Cranelift keeps them, with the same numbers.
    pub(super) fn in_full(&self) -> ModuleDeclarations {
        let mut all = ModuleDeclarations::default();
        let distinct = "names are distinct, so nothing contradicts";
        for number in 0..self.functions.len() as u32 {
            let decl = self.function(FuncId::from_u32(number));
            let name = decl.name.unwrap_or_default();
            all.declare_function(name, decl.linkage, decl.signature)
                .expect(distinct);
        }
        for number in 0..self.data.len() as u32 {
            let decl = self.data(DataId::from_u32(number));
            let name = decl.name.unwrap_or_default();
            all.declare_data(name, decl.linkage, decl.writable, decl.tls)
                .expect(distinct);
        }
        all
    }

    fn index(&mut self, name: &str, number: Number) {
        let mut by_name = std::mem::take(&mut self.by_name);
        let rehash = |number: &Number| name_hash(self.name_of(*number));
        by_name.insert_unique(name_hash(name), number, rehash);
        self.by_name = by_name;
    }

    fn name_of(&self, number: Number) -> &str {
        self.name(match number.id() {
            FuncOrDataId::Func(id) => self.functions[id.as_u32() as usize].name,
            FuncOrDataId::Data(id) => self.data[id.as_u32() as usize].name,
        })
    }

    fn name(&self, NamePlace { start, len }: NamePlace) -> &str {
        &self.names[start as usize..start as usize + len as usize]
    }

    fn add_name(&mut self, name: &str) -> Option<NamePlace> {
        let place = NamePlace {
            start: u32::try_from(self.names.len()).ok()?,
            len: u32::try_from(name.len()).ok()?,
        };
        self.names.push_str(name);
        Some(place)
    }

    fn add_signature(&mut self, signature: &Signature) -> u32 {
        let recent = self.signatures.iter().enumerate().rev();
        let known = recent
            .take(RECENT_SIGNATURES)
            .find(|(_, (other, _))| other == signature);
        let index = match known {
            Some((index, _)) => index,
            None => {
                let digest = signature_digest(signature);
                self.signatures.push((signature.clone(), digest));
                self.signatures.len() - 1
            }
        };
        // There are no more signatures than functions.
        index as u32
    }
}

/// Whether declaring again changes nothing of a linkage.
fn adds_nothing(linkage: Linkage, again: Linkage) -> bool {
    again == Linkage::Import || again == linkage
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::{AbiParam, Signature, types};
    use cranelift_codegen::isa::CallConv;
    use cranelift_module::{FuncId, FuncOrDataId, Linkage, ModuleDeclarations};

    use super::{BriefDeclarations, adds_nothing};
    use crate::names::LINKAGES;

    fn signature(params: usize) -> Signature {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params = vec![AbiParam::new(types::I64); params];
        signature
    }

    #[test]
    fn what_is_declared_is_what_cranelift_has() {
        let mut brief = BriefDeclarations::default();
        let mut full = ModuleDeclarations::default();
        for number in 0..100 {
            let name = format!("f{number}");
            let linkage = LINKAGES[number % 5];
            // More signatures than are looked for.
            let signature = signature(number % 11);
            let id = brief.declare_function(&name, linkage, &signature);
            let (expected, _) = full
                .declare_function(&name, linkage, &signature)
                .expect("it is new");
            assert_eq!(id, Some(expected));
            let name = format!("d{number}");
            let writable = number % 2 == 0;
            let id = brief.declare_data(&name, linkage, writable);
            let (expected, _) = full
                .declare_data(&name, linkage, writable, false)
                .expect("it is new");
            assert_eq!(id, Some(expected));
        }
        let again = brief.in_full();
        for all in [&full, &again] {
            for (id, decl) in all.get_functions() {
                let own = brief.function(id);
                assert_eq!(own.name, decl.name.as_deref());
                assert_eq!(own.linkage, decl.linkage);
                assert_eq!(*own.signature, decl.signature);
            }
            for (id, decl) in all.get_data_objects() {
                let own = brief.data(id);
                assert_eq!(own.name, decl.name.as_deref());
                assert_eq!(own.linkage, decl.linkage);
                assert_eq!((own.writable, own.tls), (decl.writable, decl.tls));
                let name = own.name.expect("it has one");
                assert_eq!(brief.find(name), all.get_name(name));
            }
        }
        assert_eq!(again.get_functions().count(), 100);
        assert_eq!(again.get_data_objects().count(), 100);
        assert_eq!(brief.find("f100"), None);
    }

    #[test]
    fn cranelift_judges_what_changes_a_declaration() {
        for first in LINKAGES {
            for second in LINKAGES {
                let mut full = ModuleDeclarations::default();
                let mut declare = |linkage| full.declare_function("f", linkage, &signature(1));
                declare(first).expect("it is new");
                let (_, merged) = declare(second).expect("it is the same");
                let mut brief = BriefDeclarations::default();
                brief.declare_function("f", first, &signature(1));
                let id = brief.declare_function("f", second, &signature(1));
                assert!(id.is_none() || merged == first, "{first:?} {second:?}");
                assert_eq!(id.is_some(), adds_nothing(first, second));
            }
        }
        let mut brief = BriefDeclarations::default();
        let id = Some(FuncId::from_u32(0));
        let export = Linkage::Export;
        assert_eq!(brief.declare_function("f", export, &signature(1)), id);
        assert_eq!(brief.declare_function("f", export, &signature(1)), id);
        assert_eq!(brief.declare_function("f", export, &signature(2)), None);
        assert_eq!(brief.declare_data("f", export, false), None);
        let data = brief.declare_data("d", export, false);
        assert_eq!(brief.find("d"), data.map(FuncOrDataId::Data));
        assert_eq!(brief.declare_data("d", Linkage::Import, false), data);
        assert_eq!(brief.declare_data("d", export, true), None);
        assert_eq!(brief.declare_function("d", export, &signature(1)), None);
    }
}
