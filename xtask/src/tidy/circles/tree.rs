//! One target's modules: which file each stands in, what it defines, and what it brings into scope.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A place in [`Tree::files`].
pub(super) type FileIndex = usize;

/// A place in [`Tree::modules`]; the first is the target's root.
pub(super) type ModuleIndex = usize;

/// The files of one target, and the modules that they hold.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The files.
    pub(super) files: Vec<File>,
    /// The modules; also those that are written out inside another's file.
    pub(super) modules: Vec<Module>,
    /// Every mention of a path.
    pub(super) mentions: Vec<Mention>,
}

/// A source file.
#[derive(Debug)]
pub(super) struct File {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// The module that is this file.
    pub(super) module: ModuleIndex,
}

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    /// The file that holds its text.
    pub(super) file: FileIndex,
    /// The module around it; the root has none.
    pub(super) parent: Option<ModuleIndex>,
    /// The folder in which its children's files lie.
    pub(super) folder: PathBuf,
    /// The modules inside it. One name may stand twice, under two conditions.
    pub(super) children: Vec<(String, ModuleIndex)>,
    /// What it defines.
    pub(super) items: BTreeSet<String>,
    /// What it brings into scope, by name.
    pub(super) imports: HashMap<String, Vec<Vec<String>>>,
    /// The modules of which it brings everything into scope.
    pub(super) globs: Vec<Vec<String>>,
}

/// A path that stands in a module's text.
#[derive(Debug)]
pub(super) struct Mention {
    /// The module.
    pub(super) module: ModuleIndex,
    /// The path's names, first to last.
    pub(super) path: Vec<String>,
    /// The line in the module's file.
    pub(super) line: usize,
    /// What it is there for.
    pub(super) kind: MentionKind,
}

/// What a path is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MentionKind {
    /// `use`, for the module's own text.
    Import,
    /// `pub use`, also `pub(crate) use`.
    ReExport,
    /// Code.
    Code,
}

impl Tree {
    /// Adds a module, with nothing in it yet.
    pub(super) fn add(
        &mut self,
        parent: Option<ModuleIndex>,
        file: FileIndex,
        folder: PathBuf,
    ) -> ModuleIndex {
        self.modules.push(Module {
            file,
            parent,
            folder,
            children: Vec::new(),
            items: BTreeSet::new(),
            imports: HashMap::new(),
            globs: Vec::new(),
        });
        self.modules.len() - 1
    }

    /// The file at this path, which a module is.
    pub(super) fn file(&mut self, path: &Path, module: ModuleIndex) -> FileIndex {
        if let Some(known) = self.files.iter().position(|file| file.path == path) {
            return known;
        }
        let path = path.to_owned();
        self.files.push(File { path, module });
        self.files.len() - 1
    }

    /// Whether a module lies inside another, at any depth.
    pub(super) fn is_inside(&self, inner: ModuleIndex, outer: ModuleIndex) -> bool {
        let parent = |&module: &ModuleIndex| self.modules[module].parent;
        std::iter::successors(parent(&inner), parent).any(|module| module == outer)
    }
}
