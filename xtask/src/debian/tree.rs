//! The folder in which packages are unpacked: the links that they expect, and those that their
//! installation scripts, which nobody runs here, would have made.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Folders that are links since `/usr` took in what they held.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib64"];

/// Names that a Debian system has by its alternatives and by small packages of links.
const LINKS: &[(&str, &str)] = &[
    ("usr/bin/awk", "mawk"),
    ("usr/bin/cc", "gcc-14"),
    ("usr/bin/gcc", "gcc-14"),
    ("usr/bin/c++", "g++-14"),
    ("usr/bin/g++", "g++-14"),
    ("usr/bin/cpp", "cpp-14"),
    ("usr/bin/lua", "lua5.4"),
    ("usr/bin/python3", "python3.13"),
];

/// What a system's files say about its users and its networks.
const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\n",
    ),
];

/// Makes the folder ready for the first package.
pub(crate) fn prepare(to: &Path) -> anyhow::Result<()> {
    for name in MERGED {
        fs::create_dir_all(to.join("usr").join(name))?;
        link(&format!("usr/{name}"), &to.join(name))?;
    }
    Ok(())
}

/// Unpacks one package over what is there, or only one file of it.
pub(crate) fn unpack(archive: &Path, only: Option<&str>, to: &Path) -> anyhow::Result<()> {
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("dpkg-deb")?;
    let stream = reader.stdout.take().context("dpkg-deb's output")?;
    let status = Command::new("tar")
        .args(["--extract", "--keep-directory-symlink", "--no-same-owner"])
        .args(["--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*"])
        .args(["--exclude=./usr/share/locale/*"])
        .arg("--directory")
        .arg(to)
        .args(only)
        .stdin(stream)
        .status()
        .context("tar")?;
    let read = reader.wait()?;
    ensure!(
        status.success() && read.success(),
        "{} can't be unpacked: {read}, {status}",
        archive.display()
    );
    Ok(())
}

/// Makes the links whose targets are there, and the files that no package brings.
pub(crate) fn finish(to: &Path) -> anyhow::Result<()> {
    for (name, target) in LINKS {
        let path = to.join(name);
        if path.with_file_name(target).exists() {
            link(target, &path)?;
        }
    }
    for (name, text) in FILES {
        let path = to.join(name);
        fs::create_dir_all(path.parent().context("files stand in folders")?)?;
        if !path.exists() {
            fs::write(&path, text)?;
        }
    }
    for name in ["tmp", "proc", "dev"] {
        fs::create_dir_all(to.join(name))?;
    }
    Ok(())
}

fn link(target: &str, path: &Path) -> anyhow::Result<()> {
    match symlink(target, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}
