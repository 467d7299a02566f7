//! Holds the files of each crate against the rule that no two import each other, not even through
//! others.
//!
//! The files are parsed, and each path in them, of `use` and of code, is followed through re-exports
//! to the file that defines what it names. What a method call reaches isn't seen: whoever calls a
//! method got its type from somewhere. A parent may use its children, and a child what its parent
//! holds; anything else goes downward, and a type that two files share into a file below both.

mod graph;
mod load;
mod read;
mod resolve;
#[cfg(test)]
mod tests;
mod tree;

use std::path::Path;

use cargo_metadata::Metadata;

use graph::Graph;
use load::{Open, load};

/// One fault for each circle of files in a crate of the workspace.
pub(crate) fn check(metadata: &Metadata, root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        for target in &package.targets {
            let file = target.src_path.as_std_path();
            faults.extend(circles_of(file, root, &|path| {
                std::fs::read_to_string(path).ok()
            })?);
        }
    }
    Ok(faults)
}

/// The circles of one target, in words.
fn circles_of(file: &Path, root: &Path, open: Open<'_>) -> anyhow::Result<Vec<String>> {
    let tree = load(file, open)?;
    let name = |file: usize| {
        let path = &tree.files[file].path;
        path.strip_prefix(root).unwrap_or(path).display()
    };
    let in_words = |circle: graph::Circle| {
        let steps: Vec<String> = circle
            .iter()
            .map(|&(file, line)| format!("{}:{line}", name(file)))
            .collect();
        let first = circle.first().map(|&(file, _)| name(file).to_string());
        format!(
            "files import each other in a circle: {} → {}",
            steps.join(" → "),
            first.unwrap_or_default()
        )
    };
    Ok(Graph::of(&tree)
        .circles(&tree)
        .into_iter()
        .map(in_words)
        .collect())
}
