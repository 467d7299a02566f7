//! Reads a target's files, from its root on.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::read::{Outer, read};
use super::tree::Tree;

/// Gives a file's text, when the file is there.
pub(super) type Open<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Reads the target whose root is this file.
pub(super) fn load(root: &Path, open: Open<'_>) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    let module = tree.add(None, 0, folder);
    let mut pending = vec![(root.to_owned(), module)];
    while let Some((path, module)) = pending.pop() {
        let text = open(&path).with_context(|| format!("{} is missing", path.display()))?;
        let file = tree.file(&path, module);
        tree.modules[module].file = file;
        for outer in read(&mut tree, module, &text).with_context(|| path.display().to_string())? {
            let found = find(&tree, &path, &outer, open)?;
            let folder = match found.file_name() {
                Some(name) if name == "mod.rs" => found.with_file_name(""),
                _ => found.with_extension(""),
            };
            let child = tree.add(Some(outer.module), file, folder);
            tree.modules[outer.module]
                .children
                .push((outer.name, child));
            pending.push((found, child));
        }
    }
    Ok(tree)
}

/// The file of a declared module.
fn find(tree: &Tree, declared_in: &Path, outer: &Outer, open: Open<'_>) -> anyhow::Result<PathBuf> {
    if let Some(path) = &outer.path {
        return Ok(declared_in.with_file_name(path));
    }
    let folder = &tree.modules[outer.module].folder;
    let places = [
        folder.join(format!("{}.rs", outer.name)),
        folder.join(&outer.name).join("mod.rs"),
    ];
    match places.into_iter().find(|place| open(place).is_some()) {
        Some(place) => Ok(place),
        None => bail!("the file of mod {} is missing", outer.name),
    }
}
