//! The Debian packages that tests and measurements need: the cross compilers and QEMU.

use std::process::{Command, Stdio};

use crate::shell::succeed;

const PACKAGES: &[&str] = &[
    "qemu-user",
    "gcc-riscv64-linux-gnu",
    "g++-riscv64-linux-gnu",
    "libc6-dev-riscv64-cross",
    "gdb-multiarch",
];

/// One command of each package that has one.
const COMMANDS: &[&str] = &[
    "qemu-riscv64",
    "riscv64-linux-gnu-gcc",
    "riscv64-linux-gnu-g++",
    "riscv64-linux-gnu-objdump",
    "gdb-multiarch",
];

/// Installs what is missing; asks nothing of whoever sits there.
pub(crate) fn install() -> anyhow::Result<()> {
    if COMMANDS.iter().all(|command| is_there(command)) {
        return Ok(());
    }
    apt(&["update", "-qq"])?;
    let mut words = vec!["install", "-qq", "-y", "--no-install-recommends"];
    words.extend(PACKAGES);
    apt(&words)
}

fn is_there(command: &str) -> bool {
    quiet(Command::new(command).arg("--version"))
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn apt(words: &[&str]) -> anyhow::Result<()> {
    // `sudo -n` fails rather than ask for a password. Root may have no sudo, and needs none.
    let mut command = if quiet(Command::new("sudo").args(["-n", "true"])) {
        let mut command = Command::new("sudo");
        command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    } else {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    succeed(command.args(words).stdin(Stdio::null()))
}
