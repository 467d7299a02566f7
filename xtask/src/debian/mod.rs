//! A Debian system for RISC-V in a folder, and a QEMU beside it. Nothing is installed on the
//! machine: what is fetched is unpacked below `target/guests`.

mod apt;
mod mirror;
mod tree;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rekindle_testkit::distribution::Distribution;

use crate::shell::root;
use apt::PrivateApt;

/// What the guests and their judge are started from.
const QEMU: &[&str] = &["qemu-user"];

/// The one of its many programs that is of use here.
const QEMU_FILE: &str = "./usr/bin/qemu-riscv64";

/// Makes the packages present, and says where. Fast, and off the network, when they are.
pub(crate) fn provide(packages: &BTreeSet<&str>) -> anyhow::Result<Distribution> {
    let home = root().join("target/guests");
    fs::create_dir_all(&home)?;
    // One at a time: two chores would unpack over each other.
    let lock = File::create(home.join("lock"))?;
    lock.lock().context("another chore holds target/guests")?;
    let distribution = Distribution {
        sysroot: home.join("riscv64"),
        qemu: home.join("qemu/usr/bin/qemu-riscv64"),
    };
    let wanted: Vec<&str> = packages.iter().copied().collect();
    unpacked(&home, "riscv64", &wanted, None, &distribution.sysroot)?;
    tree::finish(&distribution.sysroot)?;
    unpacked(&home, "amd64", QEMU, Some(QEMU_FILE), &home.join("qemu"))?;
    Ok(distribution)
}

/// Unpacks what is wanted of one architecture and isn't there yet, with all that it depends on.
fn unpacked(
    home: &Path,
    architecture: &str,
    wanted: &[&str],
    only: Option<&str>,
    to: &Path,
) -> anyhow::Result<()> {
    let state = home.join("apt").join(architecture);
    let done = state.join("provided");
    let provided = fs::read_to_string(&done).unwrap_or_default();
    let provided: BTreeSet<&str> = provided.lines().collect();
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|package| !provided.contains(package))
        .collect();
    if missing.is_empty() && to.exists() {
        return Ok(());
    }
    println!("{architecture}: fetching {}", missing.join(" "));
    tree::prepare(to)?;
    let apt = PrivateApt::open(&state, architecture)?;
    let archives = apt.download(&missing)?;
    unpack_new(&state.join("unpacked"), &archives, only, to)?;
    let mut all: BTreeSet<&str> = provided;
    all.extend(missing);
    fs::write(&done, lines(all.into_iter()))?;
    Ok(())
}

/// Unpacks the archives that the list in `record` doesn't name, and adds each to it.
fn unpack_new(
    record: &Path,
    archives: &[PathBuf],
    only: Option<&str>,
    to: &Path,
) -> anyhow::Result<()> {
    let known = fs::read_to_string(record).unwrap_or_default();
    let mut known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
    let mut count = 0;
    for archive in archives {
        let name = archive.file_name().context("archives have names")?;
        if known.insert(name.to_string_lossy().into_owned()) {
            tree::unpack(archive, only, to)?;
            fs::write(record, lines(known.iter().map(String::as_str)))?;
            count += 1;
        }
    }
    println!("{count} packages unpacked into {}", to.display());
    Ok(())
}

fn lines<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("{word}\n")).collect()
}
