//! What keys and programs say of names, linkages and signatures.

use cranelift_codegen::ir::{self, UserExternalName};
use cranelift_module::{
    DataDeclaration, DataId, FuncId, FunctionDeclaration, Linkage, ModuleDeclarations,
};

use rekindle::{Cache, Signature};

use crate::key::{Names, Writer};

/// A module's declarations as names of a key.
pub(crate) struct DeclaredNames<'a> {
    pub(crate) declarations: &'a ModuleDeclarations,
    /// What names of [`IN_OBJECTS`] stand for, by number.
    pub(crate) in_objects: &'a [String],
}

/// The namespace of what lies in the program and in shared libraries. No front has it.
pub(crate) const IN_OBJECTS: u32 = u32::from_le_bytes(*b"objt");

/// The kinds of name, written before it.
const FUNCTION: u32 = 0;
const DATA: u32 = 1;
const OTHER: u32 = 2;
const OBJECT: u32 = 3;

impl Names for DeclaredNames<'_> {
    fn write_name(&self, name: &UserExternalName, out: &mut Writer) {
        let UserExternalName { namespace, index } = *name;
        match namespace {
            0 => write_function_name(self.declarations, FuncId::from_u32(index), out),
            1 => {
                let id = DataId::from_u32(index);
                let decl = self.declarations.get_data_decl(id);
                out.put([DATA, linkage_number(decl.linkage), u32::from(decl.writable)]);
                write_optional_name(decl.name.as_deref(), index, out);
            }
            _ => match self.in_object(name) {
                Some(text) => {
                    out.u32(OBJECT);
                    out.short_str(text);
                }
                None => out.put([OTHER, namespace, index]),
            },
        }
    }

    fn show_name(&self, name: &UserExternalName) -> String {
        let (kind, name) = match name.namespace {
            0 => ("function", &self.function(name).name),
            1 => ("data", &self.data(name).name),
            _ => return self.in_object(name).unwrap_or("another name").to_owned(),
        };
        match name {
            Some(name) => format!("{kind} {name}"),
            None => format!("{kind} without a name"),
        }
    }

    fn write_name_without_number(&self, name: &UserExternalName, out: &mut Writer) {
        let (named, linkage) = match name.namespace {
            0 => (&self.function(name).name, self.function(name).linkage),
            1 => (&self.data(name).name, self.data(name).linkage),
            _ => return out.short_str(self.in_object(name).unwrap_or_default()),
        };
        out.put([name.namespace, linkage_number(linkage)]);
        write_optional_name(named.as_deref(), 0, out);
    }
}

impl DeclaredNames<'_> {
    fn function(&self, name: &UserExternalName) -> &FunctionDeclaration {
        let id = FuncId::from_u32(name.index);
        self.declarations.get_function_decl(id)
    }

    fn data(&self, name: &UserExternalName) -> &DataDeclaration {
        let id = DataId::from_u32(name.index);
        self.declarations.get_data_decl(id)
    }

    fn in_object(&self, name: &UserExternalName) -> Option<&str> {
        let text = self.in_objects.get(name.index as usize);
        text.filter(|_| name.namespace == IN_OBJECTS)
            .map(String::as_str)
    }
}

/// A function's name and linkage. Its signature stands in the CLIF that defines or refers to it.
pub(crate) fn write_function_name(names: &ModuleDeclarations, id: FuncId, out: &mut Writer) {
    let decl = names.get_function_decl(id);
    out.put([FUNCTION, linkage_number(decl.linkage)]);
    write_optional_name(decl.name.as_deref(), id.as_u32(), out);
}

/// A name, or the number of what has none.
pub(crate) fn write_optional_name(name: Option<&str>, index: u32, out: &mut Writer) {
    match name {
        Some(name) => out.short_str(name),
        None => out.put([u32::MAX, index]),
    }
}

/// A number that tells a function's name from others, to notice that two functions were given one key;
/// nobody can choose names for which it is the same. Stored as the signature of its code: functions of
/// this crate are called through pointers that the embedder makes, so nothing else reads that.
pub(crate) fn name_tag(cache: &Cache, name: Option<&str>, index: u32) -> Signature {
    match name {
        Some(name) => cache.name_tag(0, name.as_bytes()),
        None => cache.name_tag(1, &index.to_le_bytes()),
    }
}

/// A digest of a signature: tells apart what nobody chose to be alike.
pub(crate) fn signature_digest(signature: &ir::Signature) -> u64 {
    let mut words = Vec::with_capacity(64);
    crate::signature::write(signature, &mut words);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let digest = blake3::hash(&bytes);
    let (first, _) = digest
        .as_bytes()
        .split_first_chunk()
        .expect("it has 32 bytes");
    u64::from_le_bytes(*first)
}

/// All linkages.
pub(crate) const LINKAGES: [Linkage; 5] = [
    Linkage::Import,
    Linkage::Local,
    Linkage::Preemptible,
    Linkage::Hidden,
    Linkage::Export,
];

pub(crate) fn linkage_number(linkage: Linkage) -> u32 {
    match linkage {
        Linkage::Import => 0,
        Linkage::Local => 1,
        Linkage::Preemptible => 2,
        Linkage::Hidden => 3,
        Linkage::Export => 4,
    }
}
