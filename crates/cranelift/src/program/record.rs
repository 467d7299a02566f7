//! Keeping a program: what a module declared and defined, as symbols and parts.

use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
use cranelift_module::{
    DataDescription, DataId, FuncId, Init, ModuleDeclarations, ModuleRelocTarget,
};
use rekindle::{
    Artifact, ProgramDraft, ProgramDraftSymbol, ProgramPart, Relocation, RelocationKind, Section,
    SectionKind, Target, ZeroSection,
};

use rustc_hash::FxHashSet;

use super::loaded;
use crate::module::{Function, JITModule};
use crate::reference::Reference;

/// The largest alignment that images give: a page.
const MAX_ALIGN: u64 = 4096;

/// What is noted while a program is being made.
#[derive(Default)]
pub(crate) struct Recording {
    /// Functions that were defined before, and so aren't part of it.
    before: FxHashSet<FuncId>,
    data: Vec<(DataId, Arc<Artifact>)>,
    /// Why the program can't be kept.
    obstacle: Option<String>,
}

impl Recording {
    pub(super) fn start(module: &JITModule) -> Self {
        let declared = module.declarations.get().get_functions();
        let before = declared.map(|(id, _)| id);
        Self {
            before: before
                .filter(|id| module.functions[*id].is_some())
                .collect(),
            ..Self::default()
        }
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
            Ok(artifact) => self.data.push((id, Arc::new(artifact))),
            Err(obstacle) => {
                let name = declarations.get_data_decl(id).linkage_name(id);
                self.obstacle = Some(format!("{name} {obstacle}"));
            }
        }
    }

    /// The program, or why it can't be kept.
    pub(super) fn finish(self, module: &JITModule) -> Result<ProgramDraft, String> {
        if let Some(obstacle) = self.obstacle {
            return Err(obstacle);
        }
        let declarations = module.declarations.get();
        let mut draft = ProgramDraft {
            front: loaded::encode(declarations),
            ..ProgramDraft::default()
        };
        for (id, decl) in declarations.get_functions() {
            let (place, len) = match &module.functions[id] {
                Some(Function {
                    code: Some(code), ..
                }) if !self.before.contains(&id) => {
                    draft.parts.push(ProgramPart::Code(code.clone()));
                    let part = draft.parts.len() - 1;
                    (Some((part, SectionKind::Text)), code.text_len_bytes())
                }
                Some(Function { code: None, .. }) if !self.before.contains(&id) => {
                    let name = decl.linkage_name(id);
                    return Err(format!("{name} was given as bytes"));
                }
                _ => (None, 0),
            };
            draft.symbols.push(ProgramDraftSymbol {
                name: decl.name.clone(),
                reference: Reference::of_function(declarations, id).to_text(),
                place,
                len,
            });
        }
        for (id, decl) in declarations.get_data_objects() {
            let artifact = self.data.iter().find(|(other, _)| *other == id);
            let (place, len) = match artifact {
                None => (None, 0),
                Some((_, artifact)) => {
                    draft.parts.push(ProgramPart::Data(Arc::clone(artifact)));
                    let section = section_of(artifact);
                    let len = artifact.section_len(section);
                    // Sections are shorter than 2^32 bytes.
                    (Some((draft.parts.len() - 1, section)), len as u32)
                }
            };
            draft.symbols.push(ProgramDraftSymbol {
                name: decl.name.clone(),
                reference: Reference::of_data(declarations, id).to_text(),
                place,
                len,
            });
        }
        Ok(draft)
    }
}

/// The one section that a data object has.
fn section_of(artifact: &Artifact) -> SectionKind {
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
