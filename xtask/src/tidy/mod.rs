//! `cargo xtask tidy`: the workspace held against what ARCHITECTURE.md says of it.
//!
//! The document's tables are what is checked, so the document cannot fall behind in silence.

mod arrows;
mod circles;
mod document;
mod graph;
mod sources;
mod stand_ins;

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;

use crate::shell::root;
use document::Document;

pub(crate) fn run() -> anyhow::Result<()> {
    let path = root().join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).context("ARCHITECTURE.md")?;
    let document = Document::parse(&text)?;
    let mut faults = document.missing_paths(root());
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    faults.extend(arrows::check(&document, &metadata));
    faults.extend(sources::check(&document, root())?);
    faults.extend(circles::check(&metadata, root())?);
    faults.extend(stand_ins::check(root())?);
    faults.extend(graph::check()?);
    for fault in &faults {
        println!("tidy: {fault}");
    }
    ensure!(faults.is_empty(), "{} faults", faults.len());
    println!(
        "tidy: {} crates, {} absences and {} doors are as ARCHITECTURE.md says",
        document.crates.len(),
        document.absences.len(),
        document.doors.len()
    );
    Ok(())
}
