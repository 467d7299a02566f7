//! A module's declarations, those of an opened program included, which nobody reads before
//! someone asks.

use std::cell::{OnceCell, RefCell};

use cranelift_module::ModuleDeclarations;

use super::loaded::LoadedProgram;

/// Declarations that are all there, or that a program's are yet to be added to.
pub(crate) struct Declarations {
    known: OnceCell<ModuleDeclarations>,
    /// What was declared before `program` was opened; taken when `known` is made.
    before: RefCell<ModuleDeclarations>,
    program: Option<LoadedProgram>,
}

impl Declarations {
    pub(crate) fn new() -> Self {
        Self {
            known: OnceCell::from(ModuleDeclarations::default()),
            before: RefCell::default(),
            program: None,
        }
    }

    /// All declarations.
    pub(crate) fn get(&self) -> &ModuleDeclarations {
        self.known.get_or_init(|| {
            let mut all = self.before.take();
            if let Some(program) = &self.program {
                let declared = program.declare(&mut all);
                declared.expect("the same module declared them once");
            }
            all
        })
    }

    /// All declarations, to add to them.
    pub(crate) fn get_mut(&mut self) -> &mut ModuleDeclarations {
        self.get();
        self.known.get_mut().expect("they were just read")
    }

    /// Adds what a program's module had declared, when someone asks.
    pub(crate) fn restore(&mut self, program: LoadedProgram) {
        let before = std::mem::take(self.get_mut());
        *self = Self {
            known: OnceCell::new(),
            before: RefCell::new(before),
            program: Some(program),
        };
    }

    /// The program that has all declarations, as long as nobody read them.
    pub(crate) fn unread(&self) -> Option<&LoadedProgram> {
        match self.known.get() {
            Some(_) => None,
            None => self.program.as_ref(),
        }
    }
}
