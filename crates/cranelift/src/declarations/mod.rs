//! A module's declarations: in brief, then, once someone asks, as Cranelift keeps them; and those of
//! an opened program, which nobody reads before someone asks either.

mod brief;

use std::cell::{OnceCell, RefCell};

use cranelift_codegen::ir::Signature;
use cranelift_module::{DataId, FuncId, FuncOrDataId, Linkage, ModuleDeclarations, ModuleResult};

use crate::names::signature_digest;
use crate::opened::OpenedProgram;
use crate::reference::{Kind, Named, Place};
use brief::BriefDeclarations;

/// Declarations: where they come from, and all of them once someone asked.
pub(crate) struct Declarations {
    origin: Origin,
    /// If they are here, nothing else counts.
    full: OnceCell<ModuleDeclarations>,
}

/// Where declarations come from.
enum Origin {
    Brief(BriefDeclarations),
    Program {
        /// What was declared before `program` was opened; taken when all are read.
        before: RefCell<ModuleDeclarations>,
        program: OpenedProgram,
    },
}

/// The state in which declarations are.
#[derive(Clone, Copy)]
enum State<'a> {
    Brief(&'a BriefDeclarations),
    /// All are a program's, and nobody has read them.
    Unread(&'a OpenedProgram),
    Full(&'a ModuleDeclarations),
}

/// What a name that code refers to is in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What it was when the code was compiled.
    Same(FuncOrDataId),
    /// What it can have become since, had the code been compiled by this module.
    Changed(FuncOrDataId),
    /// Something else.
    Other,
    /// Nothing.
    Undeclared,
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
            origin: Origin::Brief(BriefDeclarations::default()),
            full: OnceCell::new(),
        }
    }

    fn state(&self) -> State<'_> {
        match (self.full.get(), &self.origin) {
            (Some(full), _) => State::Full(full),
            (None, Origin::Brief(brief)) => State::Brief(brief),
            (None, Origin::Program { program, .. }) => State::Unread(program),
        }
    }

    /// All declarations.
    pub(crate) fn get(&self) -> &ModuleDeclarations {
        self.full.get_or_init(|| match &self.origin {
            Origin::Brief(brief) => brief.in_full(),
            Origin::Program { before, program } => {
                let mut all = before.take();
                // The same module declared them once. What a damaged record doesn't say stays undeclared.
                if let Err(error) = program.declare(&mut all) {
                    tracing::error!(%error, "a program's declarations contradict each other");
                }
                all
            }
        })
    }

    /// All declarations, to add to them.
    pub(crate) fn get_mut(&mut self) -> &mut ModuleDeclarations {
        self.get();
        self.origin = Origin::Brief(BriefDeclarations::default());
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
        let known = match (self.full.get(), &mut self.origin) {
            (None, Origin::Brief(brief)) => brief.declare_function(name, linkage, signature),
            (None, Origin::Program { program, .. }) => match program.find(name) {
                Some(FuncOrDataId::Func(id)) => {
                    Some(id).filter(|id| program.declares_function(*id, linkage, signature))
                }
                _ => None,
            },
            (Some(_), _) => None,
        };
        match known {
            Some(id) => Ok(id),
            None => {
                let declared = self.get_mut().declare_function(name, linkage, signature)?;
                Ok(declared.0)
            }
        }
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
        let known = match (self.full.get(), &mut self.origin) {
            (None, Origin::Brief(brief)) => brief.declare_data(name, linkage, writable),
            (None, Origin::Program { program, .. }) => match program.find(name) {
                Some(FuncOrDataId::Data(id)) => {
                    Some(id).filter(|id| program.declares_data(*id, linkage, writable))
                }
                _ => None,
            },
            (Some(_), _) => None,
        };
        match known {
            Some(id) => Ok(id),
            None => {
                let declared = self.get_mut();
                Ok(declared.declare_data(name, linkage, writable, false)?.0)
            }
        }
    }

    /// How many functions there are, or zero while nobody counts.
    pub(crate) fn known_function_count(&self) -> usize {
        match self.state() {
            State::Brief(brief) => brief.function_count(),
            State::Unread(_) | State::Full(_) => 0,
        }
    }

    /// What a function was declared as.
    ///
    /// # Panics
    /// If it wasn't.
    pub(crate) fn function(&self, id: FuncId) -> FunctionDecl<'_> {
        if let State::Brief(brief) = self.state() {
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
        if let State::Brief(brief) = self.state() {
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
        match self.state() {
            State::Brief(brief) => brief.find(name),
            State::Unread(program) => program.find(name),
            State::Full(full) => full.get_name(name),
        }
    }

    /// What a name that code refers to is now.
    pub(crate) fn standing(&self, named: &Named<'_>) -> Standing {
        let Some(id) = self.find(named.name) else {
            return Standing::Undeclared;
        };
        let now = Named {
            name: named.name,
            kind: self.kind(id),
            place: Place::of(match id {
                FuncOrDataId::Func(id) => self.function(id).linkage,
                FuncOrDataId::Data(id) => self.data(id).linkage,
            }),
        };
        if named.is(&now) {
            Standing::Same(id)
        } else if named.may_have_become(&now) {
            Standing::Changed(id)
        } else {
            Standing::Other
        }
    }

    fn kind(&self, id: FuncOrDataId) -> Kind {
        match (id, self.state()) {
            (FuncOrDataId::Func(id), State::Brief(brief)) => Kind::Function {
                signature: brief.signature_digest(id),
            },
            (FuncOrDataId::Func(id), _) => Kind::Function {
                signature: signature_digest(self.function(id).signature),
            },
            (FuncOrDataId::Data(id), _) => Kind::Data {
                writable: self.data(id).writable,
            },
        }
    }

    /// Adds what a program's module had declared, when someone asks.
    pub(crate) fn restore(&mut self, program: OpenedProgram) {
        let before = std::mem::take(self.get_mut());
        *self = Self {
            origin: Origin::Program {
                before: RefCell::new(before),
                program,
            },
            full: OnceCell::new(),
        };
    }

    /// The program that has all declarations, as long as nobody read them.
    pub(crate) fn unread(&self) -> Option<&OpenedProgram> {
        match self.state() {
            State::Unread(program) => Some(program),
            State::Brief(_) | State::Full(_) => None,
        }
    }
}
