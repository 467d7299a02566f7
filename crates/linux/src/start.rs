//! Makes a process for a program, as `execve` does: its memory, its stack, and what it ignores.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rekindle::Cache;
use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::{GUEST_END, GUEST_START};
use rustix::process::{Resource, getegid, geteuid, getgid, getrlimit, getuid};

use crate::errno::Errno;
use crate::guest_signal::{IGNORE, SignalAction};
use crate::process::{Memory, Process, ProcessStart, Tracer};
use crate::stack::{ProcessFacts, StackError};
use crate::start_error::StartError;
use crate::syscall::note_inherited;
use crate::sysroot::Sysroot;
use crate::vdso::Vdso;
use crate::{host, loader, signal, stack, vdso};

/// What is started, and how.
#[derive(Debug)]
pub struct Start<'a> {
    /// The ELF file to run.
    pub program: &'a PathBuf,
    /// The guest's `argv`, its own name first.
    pub args: &'a [OsString],
    /// The guest's environment as `NAME=value` strings.
    pub env: &'a [OsString],
    /// A folder in which the guest's absolute paths are looked for first.
    pub sysroot: Option<&'a PathBuf>,
    /// The arguments with which this executable runs another guest program.
    pub relaunch: &'a [OsString],
    /// Whether system calls are printed.
    pub traces_calls: bool,
    /// Who is told of signals before they act.
    pub tracer: Option<Arc<dyn Tracer>>,
}

/// A process that hasn't run yet.
#[derive(Debug)]
pub struct Started {
    /// The process.
    pub process: Arc<Process>,
    /// The registers of its first thread.
    pub state: Box<GuestState>,
}

/// Loads the program, lays out its stack, and takes over what this process was told to ignore.
///
/// # Errors
/// When the program can't be started; nothing of it has run then.
pub fn start(start: Start<'_>, cache: &Cache) -> Result<Started, StartError> {
    if let Some(address) = host_memory_in_the_way() {
        return Err(StartError::HostInTheWay { address });
    }
    let sysroot = match start.sysroot {
        None => None,
        Some(path) => Some(Sysroot::new(path).map_err(|source| StartError::Sysroot {
            path: path.clone(),
            source,
        })?),
    };
    let mut memory = Memory::default();
    let program = loader::load(&mut memory, start.program, sysroot.as_ref(), cache)?;
    let vdso = vdso::map(&mut memory).map_err(|errno| StartError::Memory {
        path: start.program.clone(),
        what: "the vDSO",
        start: GUEST_START,
        end: stack::LOWEST,
        source: io::Error::from_raw_os_error(errno.0),
    })?;
    let facts = process_facts(&vdso);
    let built = stack::build(&mut memory.space, &program, start.args, start.env, &facts);
    let initial = built.map_err(|error| stack_error(start.program, error))?;
    memory.space.take_stale_code();
    let process_start = ProcessStart {
        program: program.path,
        args: start.args.to_vec(),
        sysroot,
        relaunch: start.relaunch.to_vec(),
        signal_return: vdso.signal_return,
        traces_calls: start.traces_calls,
        tracer: start.tracer,
    };
    let process = Arc::new(Process::new(process_start, memory));
    let _ = process.auxiliary_vector.set(initial.auxiliary_vector);
    inherit_actions(&process);
    note_inherited(&process);
    let mut state = GuestState::new();
    state.pc = program.start;
    state.x[2] = initial.pointer;
    Ok(Started { process, state })
}

/// The first address of this process's own memory, if that is one of the guest's: a store of the guest's to
/// it would be one to the engine. A program that is linked to run at a fixed address has some there.
fn host_memory_in_the_way() -> Option<u64> {
    // The list is in order, and the kernel writes no more of it than is read.
    let mut line = [0_u8; 64];
    let maps = File::open("/proc/self/maps").and_then(|mut maps| maps.read(&mut line));
    let first = maps
        .ok()
        .and_then(|len| line.get(..len)?.split(|byte| *byte == b'-').next())
        .and_then(|text| u64::from_str_radix(str::from_utf8(text).ok()?, 16).ok());
    // Where nothing says, this function stands for the program.
    let address = first.unwrap_or(host_memory_in_the_way as *const () as usize as u64);
    (address < GUEST_END).then_some(address)
}

/// Takes over what this process was told to ignore, and has the host collect what the guest dies of.
fn inherit_actions(process: &Process) {
    let mut actions = process.actions();
    for number in 1..=64 {
        let mut action = SignalAction::default();
        if signal::inherited_is_ignored(number) {
            action.handler = IGNORE;
        }
        actions.set(number, action);
        signal::forward(number, action.handler);
    }
}

fn stack_error(program: &Path, error: StackError) -> StartError {
    let path = program.to_owned();
    match error {
        StackError::TooLong => StartError::ArgumentsTooLong { path },
        StackError::Memory(Errno(errno)) => StartError::Memory {
            path,
            what: "the stack",
            start: stack::LOWEST,
            end: stack::TOP,
            source: io::Error::from_raw_os_error(errno),
        },
    }
}

/// What the initial stack tells the guest of its process.
fn process_facts(vdso: &Vdso) -> ProcessFacts {
    let mut random = [0_u8; 16];
    let address = random.as_mut_ptr() as u64;
    // Without entropy the guest's guards are weak, no more.
    let _ = host::call(libc::SYS_getrandom, [address, 16, 0, 0, 0, 0]);
    ProcessFacts {
        vdso: vdso.base,
        uid: u64::from(getuid().as_raw()),
        euid: u64::from(geteuid().as_raw()),
        gid: u64::from(getgid().as_raw()),
        egid: u64::from(getegid().as_raw()),
        clock_ticks: host::auxiliary_value(libc::AT_CLKTCK),
        random,
        stack_limit: getrlimit(Resource::Stack).current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use rekindle_hart::guest_memory::Pages;

    use super::*;

    /// A host that is linked at a fixed address has its own data where the guest stores.
    #[test]
    fn no_guest_starts_where_the_host_has_memory() {
        let pages = Pages::map(1).expect("memory");
        let wanted = Start {
            program: &PathBuf::from("/nowhere"),
            args: &[],
            env: &[],
            sysroot: None,
            relaunch: &[],
            traces_calls: false,
            tracer: None,
        };
        let error = start(wanted, &Cache::in_memory()).expect_err("memory is in the way");
        let StartError::HostInTheWay { address } = error else {
            panic!("{error}");
        };
        assert!(address <= pages.range().start);
    }
}
