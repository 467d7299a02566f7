//! What is noted while a program is being made: which functions it doesn't have, and its data, whose
//! contents a module doesn't keep.

use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
use cranelift_module::{
    DataDescription, DataId, FuncId, Init, ModuleDeclarations, ModuleRelocTarget,
};
use rekindle::{Artifact, Relocation, RelocationKind, Section, SectionKind, Target, ZeroSection};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::reference::Reference;

/// The largest alignment that images give: a page.
const MAX_ALIGN: u64 = 4096;

/// What is noted while a program is being made.
#[derive(Default)]
pub(crate) struct Recording {
    /// Functions that were defined before, and so aren't part of it.
    before: FxHashSet<FuncId>,
    data: FxHashMap<DataId, Arc<Artifact>>,
    /// Why the program can't be kept.
    obstacle: Option<String>,
}

impl Recording {
    /// Starts when these functions are defined.
    pub(crate) fn new(before: FxHashSet<FuncId>) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Whether a function was defined before.
    pub(crate) fn was_defined_before(&self, id: FuncId) -> bool {
        self.before.contains(&id)
    }

    /// A data object, if it was defined meanwhile.
    pub(crate) fn data(&self, id: DataId) -> Option<&Arc<Artifact>> {
        self.data.get(&id)
    }

    /// Why the program can't be kept, if it can't.
    pub(crate) fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// Says that the program can't be kept, since something is as it is.
    pub(crate) fn refuse(&mut self, name: &str, obstacle: &str) {
        self.obstacle
            .get_or_insert_with(|| format!("{name} {obstacle}"));
    }

    /// Notes a data object.
    pub(crate) fn add_data(
        &mut self,
        declarations: &ModuleDeclarations,
        id: DataId,
        description: &DataDescription,
        default_align: u64,
    ) {
        match data_artifact(declarations, id, description, default_align) {
            Ok(artifact) => {
                self.data.insert(id, Arc::new(artifact));
            }
            Err(obstacle) => {
                let name = declarations.get_data_decl(id).linkage_name(id);
                self.refuse(&name, &obstacle);
            }
        }
    }
}

/// The one section that a data object has.
pub(crate) fn section_of(artifact: &Artifact) -> SectionKind {
    let has = |section: &SectionKind| artifact.section_len(*section) > 0;
    let found = SectionKind::ALL.into_iter().find(has);
    found.unwrap_or(SectionKind::Data)
}

fn data_artifact(
    declarations: &ModuleDeclarations,
    id: DataId,
    description: &DataDescription,
    default_align: u64,
) -> Result<Artifact, String> {
    let decl = declarations.get_data_decl(id);
    let align = description.align.unwrap_or(default_align).max(1);
    if align > MAX_ALIGN || !align.is_power_of_two() {
        return Err(format!("is aligned to {align} bytes"));
    }
    let align = align as u32;
    let section = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        // As in memory, nothing is without a place of its own.
        bytes.resize(bytes.len().max(1), 0);
        Section { bytes, align }
    };
    let mut artifact = Artifact {
        name: decl.linkage_name(id).into_owned(),
        ..Artifact::default()
    };
    let kind = match (&description.init, decl.writable) {
        (Init::Uninitialized, _) => return Err("isn't initialized".to_owned()),
        (Init::Zeros { size }, true) if description_is_plain(description) => {
            let size = u32::try_from((*size).max(1)).map_err(|_| "is too large")?;
            artifact.bss = ZeroSection { size, align };
            SectionKind::Bss
        }
        (Init::Zeros { size }, true) => {
            artifact.data = section(&vec![0; *size]);
            SectionKind::Data
        }
        (Init::Zeros { size }, false) => {
            artifact.rodata = section(&vec![0; *size]);
            SectionKind::Rodata
        }
        (Init::Bytes { contents }, true) => {
            artifact.data = section(contents);
            SectionKind::Data
        }
        (Init::Bytes { contents }, false) => {
            artifact.rodata = section(contents);
            SectionKind::Rodata
        }
    };
    for reloc in description.all_relocs(Reloc::Abs8) {
        let target = reference(declarations, &reloc.name)
            .ok_or_else(|| format!("refers to {}", reloc.name))?;
        artifact.relocations.push(Relocation {
            section: kind,
            offset: reloc.offset,
            kind: RelocationKind::Abs64,
            target: Target::Symbol(target.to_text()),
            addend: reloc.addend,
        });
    }
    artifact.validate().map_err(|error| error.to_string())?;
    Ok(artifact)
}

fn description_is_plain(description: &DataDescription) -> bool {
    description.function_relocs.is_empty() && description.data_relocs.is_empty()
}

fn reference<'a>(
    declarations: &'a ModuleDeclarations,
    target: &ModuleRelocTarget,
) -> Option<Reference<'a>> {
    match target {
        ModuleRelocTarget::User { .. } if ModuleDeclarations::is_function(target) => Some(
            Reference::of_function(declarations, FuncId::from_name(target)),
        ),
        ModuleRelocTarget::User { .. } => {
            Some(Reference::of_data(declarations, DataId::from_name(target)))
        }
        ModuleRelocTarget::LibCall(libcall) => Some(Reference::LibCall(*libcall)),
        ModuleRelocTarget::FunctionOffset(..) | ModuleRelocTarget::KnownSymbol(_) => None,
    }
}
