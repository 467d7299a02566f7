//! Why a program did not start.

use std::path::PathBuf;

use crate::elf::ElfFault;

/// Why a program did not start: the file, and what is wrong with it or with this machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The file can't be opened or read. A shell would exit with 127 where it isn't found, and with
    /// 126 else.
    #[error("{}: {source}", path.display())]
    Open {
        /// The program.
        path: PathBuf,
        /// What the host says.
        source: std::io::Error,
    },
    /// The file isn't a program that this machine runs. A shell would exit with 126.
    #[error("{}: {fault}", path.display())]
    Elf {
        /// The program.
        path: PathBuf,
        /// What is wrong with it.
        fault: ElfFault,
    },
    /// The dynamic loader that the program asks for can't be loaded. A shell would exit with 126.
    #[error("{}: its dynamic loader {}: {source}", path.display(), interpreter.display())]
    Interpreter {
        /// The program.
        path: PathBuf,
        /// The dynamic loader that it names.
        interpreter: PathBuf,
        /// Why it can't be loaded.
        source: Box<StartError>,
    },
    /// The folder for the guest's absolute paths can't be used.
    #[error("sysroot {}: {source}", path.display())]
    Sysroot {
        /// The folder.
        path: PathBuf,
        /// What the host says.
        source: std::io::Error,
    },
    /// The host has no room for the program at the addresses that it needs.
    #[error(
        "{}: no memory at {start:#x}..{end:#x} for {what}: {source}",
        path.display()
    )]
    Memory {
        /// The program.
        path: PathBuf,
        /// What needed the memory.
        what: &'static str,
        /// The first address.
        start: u64,
        /// The address after the last.
        end: u64,
        /// What the host says.
        source: std::io::Error,
    },
    /// This process has memory of its own among the guest's addresses, as a host program that isn't
    /// position-independent has.
    #[error(
        "this process has memory at {address:#x}, among the addresses of guests: is the host program \
         linked to run at a fixed address?"
    )]
    HostInTheWay {
        /// The first address of that memory.
        address: u64,
    },
    /// No debugger can be waited for.
    #[error("no debugger can be waited for: {source}")]
    Debugger {
        /// What the host says.
        source: std::io::Error,
    },
    /// Arguments and environment take more than a quarter of the stack.
    #[error("{}: argument list too long", path.display())]
    ArgumentsTooLong {
        /// The program.
        path: PathBuf,
    },
}
