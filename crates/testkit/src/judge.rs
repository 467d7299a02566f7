//! The judge: what QEMU's user mode makes of a program.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use crate::program::Program;
use crate::run::{Invocation, Observation};
use crate::toolchain::{self, APT_LINE};

type Slot = Arc<OnceLock<Observation>>;

/// What `qemu-riscv64` prints for the program, and how the program ends there. It runs once per
/// test process, in a folder of its own.
///
/// # Panics
/// If the cross compiler or QEMU is missing, with the line that installs them.
#[must_use]
pub fn expected(program: &Program) -> Observation {
    static KNOWN: OnceLock<Mutex<HashMap<&'static str, Slot>>> = OnceLock::new();
    let slot = {
        let mut known = KNOWN
            .get_or_init(Mutex::default)
            .lock()
            .expect("no holder panics");
        Arc::clone(known.entry(program.name).or_default())
    };
    slot.get_or_init(|| run(program)).clone()
}

fn run(program: &Program) -> Observation {
    assert!(
        Command::new("qemu-riscv64")
            .arg("--version")
            .output()
            .is_ok(),
        "qemu-riscv64 is not installed; on Debian: {APT_LINE}"
    );
    let elf = toolchain::build(program).unwrap_or_else(|error| panic!("{error}"));
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = vec![OsString::from("qemu-riscv64"), elf.into_os_string()];
    command.extend(program.args.iter().map(OsString::from));
    Invocation::new(command, directory.path())
        .stdin(program.stdin)
        .run()
}
