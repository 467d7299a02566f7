//! Makes a process for a program, as `execve` does: its memory, its stack, and what it ignores.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rekindle::Cache;
use rekindle_hart::GuestState;
use rekindle_hart::guest_memory::GUEST_START;
use rustix::process::{Resource, getegid, geteuid, getgid, getrlimit, getuid};

use crate::errno::Errno;
use crate::guest_signal::{IGNORE, SignalAction};
use crate::process::{Memory, Process, ProcessStart, Tracer};
use crate::stack::{ProcessFacts, StackError};
use crate::start_error::StartError;
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
    let mut state = GuestState::new();
    state.pc = program.start;
    state.x[2] = initial.pointer;
    Ok(Started { process, state })
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
