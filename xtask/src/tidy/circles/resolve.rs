//! From a path in the text to the files that define what it names.
//!
//! As the compiler does it, but for two things. A name may mean several things at once (a type and
//! a function, the twins of a condition): all of them count. A name that a known module doesn't
//! define in a way that we see, as a macro made it, counts as defined in the module's file.

use std::collections::BTreeSet;

use super::tree::{FileIndex, ModuleIndex, Tree};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Something that this file defines.
    Item(FileIndex),
    /// A module itself.
    Module(ModuleIndex),
}

/// What a path means in a module: nothing, when it leads to another crate.
pub(super) fn resolve(tree: &Tree, module: ModuleIndex, path: &[String]) -> BTreeSet<Target> {
    Resolver {
        tree,
        pending: Vec::new(),
    }
    .path(module, path)
}

struct Resolver<'a> {
    tree: &'a Tree,
    /// The names being looked up, so that re-exports in a circle end.
    pending: Vec<(ModuleIndex, String)>,
}

impl Resolver<'_> {
    fn path(&mut self, module: ModuleIndex, path: &[String]) -> BTreeSet<Target> {
        let (start, rest) = self.start(module, path);
        let Some((start, is_anchored)) = start else {
            return BTreeSet::new();
        };
        let mut targets = BTreeSet::from([Target::Module(start)]);
        for (at, name) in rest.iter().enumerate() {
            let mut next = BTreeSet::new();
            for target in targets {
                let Target::Module(inside) = target else {
                    // A variant, or an associated name.
                    next.insert(target);
                    continue;
                };
                let found = self.name(inside, name);
                if found.is_empty() && (at > 0 || is_anchored) {
                    next.insert(Target::Item(self.tree.modules[inside].file));
                }
                next.extend(found);
            }
            targets = next;
        }
        targets
    }

    /// The module at which a path starts, whether the path says so itself, and the names that
    /// follow.
    fn start<'p>(
        &self,
        module: ModuleIndex,
        path: &'p [String],
    ) -> (Option<(ModuleIndex, bool)>, &'p [String]) {
        let mut at = Some((module, false));
        let mut rest = path;
        while let Some((name, behind)) = rest.split_first() {
            let before = at.map(|(module, _)| module);
            at = match name.as_str() {
                "crate" => Some((0, true)),
                "self" => before.map(|module| (module, true)),
                "super" => before
                    .and_then(|module| self.tree.modules[module].parent)
                    .map(|parent| (parent, true)),
                _ => break,
            };
            rest = behind;
        }
        (at, rest)
    }

    /// What a name means inside a module.
    fn name(&mut self, module: ModuleIndex, name: &str) -> BTreeSet<Target> {
        let lookup = (module, name.to_owned());
        if self.pending.contains(&lookup) {
            return BTreeSet::new();
        }
        self.pending.push(lookup);
        let inside = &self.tree.modules[module];
        let mut found = BTreeSet::new();
        if inside.items.contains(name) {
            found.insert(Target::Item(inside.file));
        }
        let children = inside.children.iter().filter(|(child, _)| child == name);
        found.extend(children.map(|&(_, child)| Target::Module(child)));
        for path in inside.imports.get(name).into_iter().flatten() {
            found.extend(self.path(module, path));
        }
        if found.is_empty() {
            for path in &inside.globs {
                for target in self.path(module, path) {
                    if let Target::Module(other) = target {
                        found.extend(self.name(other, name));
                    }
                }
            }
        }
        self.pending.pop();
        found
    }
}
