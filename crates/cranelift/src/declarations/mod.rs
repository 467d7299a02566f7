//! A module's declarations: in brief, then, once someone asks, as Cranelift keeps them; and those of
//! an opened program, which nobody reads before someone asks either.

mod brief;
mod names;

use std::cell::{OnceCell, RefCell};

use cranelift_codegen::ir::Signature;
use cranelift_module::{DataId, FuncId, FuncOrDataId, Linkage, ModuleDeclarations, ModuleResult};

use crate::program::LoadedProgram;
use brief::BriefDeclarations;
pub(crate) use names::{
    DeclaredNames, LINKAGES, linkage_number, name_tag, write_function_name, write_optional_name,
};

/// Declarations, in one of three states: in brief, a program's that are yet to be read, or in full.
pub(crate) struct Declarations {
    /// In full: if they are here, nothing else counts.
    full: OnceCell<ModuleDeclarations>,
    /// Without a program, all of them.
    brief: BriefDeclarations,
    /// What was declared before `program` was opened; taken when `full` is made.
    before: RefCell<ModuleDeclarations>,
    program: Option<LoadedProgram>,
}

/// What a function was declared as.
#[derive(Clone, Copy)]
pub(crate) struct FunctionDecl<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) linkage: Linkage,
    pub(crate) signature: &'a Signature,
}

/// What a data object was declared as.
#[derive(Clone, Copy)]
pub(crate) struct DataDecl<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) linkage: Linkage,
    pub(crate) writable: bool,
    pub(crate) tls: bool,
}

impl Declarations {
    pub(crate) fn new() -> Self {
        Self {
            full: OnceCell::new(),
            brief: BriefDeclarations::default(),
            before: RefCell::default(),
            program: None,
        }
    }

    /// All declarations.
    pub(crate) fn get(&self) -> &ModuleDeclarations {
        self.full.get_or_init(|| {
            let Some(program) = &self.program else {
                return self.brief.in_full();
            };
            let mut all = self.before.take();
            let declared = program.declare(&mut all);
            declared.expect("the same module declared them once");
            all
        })
    }

    /// All declarations, to add to them.
    pub(crate) fn get_mut(&mut self) -> &mut ModuleDeclarations {
        self.get();
        self.brief = BriefDeclarations::default();
        self.full.get_mut().expect("they were just read")
    }

    /// Declares a function, in full only if neither of the other states can say what that gives.
    ///
    /// # Errors
    /// If it contradicts what the name was declared as.
    pub(crate) fn declare_function(
        &mut self,
        name: &str,
        linkage: Linkage,
        signature: &Signature,
    ) -> ModuleResult<FuncId> {
        if let Some(program) = self.unread()
            && let Some(FuncOrDataId::Func(id)) = program.find(name)
            && program.declares_function(id, linkage, signature)
        {
            return Ok(id);
        }
        if self.brief().is_some()
            && let Some(id) = self.brief.declare_function(name, linkage, signature)
        {
            return Ok(id);
        }
        let (id, _) = self.get_mut().declare_function(name, linkage, signature)?;
        Ok(id)
    }

    /// The same of data.
    ///
    /// # Errors
    /// As [`Self::declare_function`].
    pub(crate) fn declare_data(
        &mut self,
        name: &str,
        linkage: Linkage,
        writable: bool,
    ) -> ModuleResult<DataId> {
        if let Some(program) = self.unread()
            && let Some(FuncOrDataId::Data(id)) = program.find(name)
            && program.declares_data(id, linkage, writable)
        {
            return Ok(id);
        }
        if self.brief().is_some()
            && let Some(id) = self.brief.declare_data(name, linkage, writable)
        {
            return Ok(id);
        }
        let (id, _) = self
            .get_mut()
            .declare_data(name, linkage, writable, false)?;
        Ok(id)
    }

    /// How many functions there are, or zero while nobody counts.
    pub(crate) fn known_function_count(&self) -> usize {
        self.brief().map_or(0, BriefDeclarations::function_count)
    }

    /// What a function was declared as.
    ///
    /// # Panics
    /// If it wasn't.
    pub(crate) fn function(&self, id: FuncId) -> FunctionDecl<'_> {
        if let Some(brief) = self.brief() {
            return brief.function(id);
        }
        let decl = self.get().get_function_decl(id);
        FunctionDecl {
            name: decl.name.as_deref(),
            linkage: decl.linkage,
            signature: &decl.signature,
        }
    }

    /// What a data object was declared as.
    ///
    /// # Panics
    /// If it wasn't.
    pub(crate) fn data(&self, id: DataId) -> DataDecl<'_> {
        if let Some(brief) = self.brief() {
            return brief.data(id);
        }
        let decl = self.get().get_data_decl(id);
        DataDecl {
            name: decl.name.as_deref(),
            linkage: decl.linkage,
            writable: decl.writable,
            tls: decl.tls,
        }
    }

    /// What a name was declared as.
    pub(crate) fn find(&self, name: &str) -> Option<FuncOrDataId> {
        if let Some(brief) = self.brief() {
            return brief.find(name);
        }
        match self.unread() {
            Some(program) => program.find(name),
            None => self.get().get_name(name),
        }
    }

    /// Adds what a program's module had declared, when someone asks.
    pub(crate) fn restore(&mut self, program: LoadedProgram) {
        let before = std::mem::take(self.get_mut());
        *self = Self {
            before: RefCell::new(before),
            program: Some(program),
            ..Self::new()
        };
    }

    /// The program that has all declarations, as long as nobody read them.
    pub(crate) fn unread(&self) -> Option<&LoadedProgram> {
        match self.full.get() {
            Some(_) => None,
            None => self.program.as_ref(),
        }
    }

    /// The brief form, if it has all declarations.
    fn brief(&self) -> Option<&BriefDeclarations> {
        (self.full.get().is_none() && self.program.is_none()).then_some(&self.brief)
    }
}
