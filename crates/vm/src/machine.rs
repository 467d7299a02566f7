//! Starts a guest and runs it to its end.

use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, PoisonError};

use rekindle::Cache;
use rustix::process::{Resource, getegid, geteuid, getgid, getrlimit, getuid};

use crate::config::{Config, GuestExit, Outcome};
use crate::dispatch::{InterpretOnly, Machine, Translator};
use crate::errno::Errno;
use crate::interpreter::Interpreter;
use crate::jit::Jit;
use crate::loader::{self, LoadedProgram};
use crate::memory::AddressSpace;
use crate::module::Modules;
use crate::signal;
use crate::stack::{self, ProcessFacts, StackError};
use crate::start_error::StartError;
use crate::state::{GuestState, JUMP_CACHE_LEN, JumpCacheEntry};
use crate::stats::RunStatistics;
use crate::syscall::{Kernel, host};

/// Held while a guest runs: guest addresses are host addresses, so a process has room for one.
static ADDRESS_SPACE: Mutex<()> = Mutex::new(());

/// Runs a guest program to its end.
///
/// Standard streams, working directory and everything else that system calls reach are this
/// process's own. A process runs one guest at a time; a second call waits for the first to return.
///
/// # Errors
///
/// When the program can't be started; nothing of it has run then.
pub fn run(config: Config) -> Result<Outcome, StartError> {
    let _one_at_a_time = ADDRESS_SPACE.lock().unwrap_or_else(PoisonError::into_inner);
    signal::install();
    signal::adopt_thread();
    if !config.jit {
        return Ok(run_with(&config, InterpretOnly)?.0);
    }
    let cache = match &config.cache {
        Some(settings) => Cache::open(settings),
        None => Cache::in_memory(),
    };
    let (mut outcome, mut jit) = run_with(&config, Jit::new(cache.clone()))?;
    jit.end();
    let statistics = &mut outcome.statistics;
    jit.add_to(statistics);
    statistics.image_bytes_mapped = cache.statistics().image_bytes_mapped;
    statistics.wall_ns = nanoseconds(config.started.elapsed());
    Ok(outcome)
}

/// Runs the guest with `translator`, which is returned.
fn run_with<T: Translator>(config: &Config, translator: T) -> Result<(Outcome, T), StartError> {
    let mut machine = prepare(config, translator)?;
    let startup_ns = nanoseconds(config.started.elapsed());
    let exit = machine.run();
    if let GuestExit::Signal { signal, .. } = exit {
        signal::restore_default(signal);
    }
    if config.finish_compiles {
        machine
            .translator
            .finish(&machine.modules, &mut machine.interpreter);
    }
    let statistics = RunStatistics {
        instructions_interpreted: machine.interpreter.instructions(),
        startup_ns,
        wall_ns: nanoseconds(config.started.elapsed()),
        ..RunStatistics::default()
    };
    Ok((Outcome { exit, statistics }, machine.translator))
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Loads the program and lays out its stack.
fn prepare<T: Translator>(config: &Config, translator: T) -> Result<Machine<T>, StartError> {
    let mut space = AddressSpace::default();
    let program = loader::load(&mut space, &config.program)?;
    let facts = process_facts();
    let built = stack::build(&mut space, &program, &config.args, &config.env, &facts);
    let initial = built.map_err(|error| stack_error(config, error))?;
    space.take_stale_code();
    let LoadedProgram {
        entry,
        path,
        module,
        ..
    } = program;
    let mut modules = Modules::default();
    modules.add(module);
    let mut kernel = Kernel::new(space, path, config.args.clone());
    kernel.auxiliary_vector = initial.auxiliary_vector;
    let mut state = initial_state();
    state.pc = entry;
    state.x[2] = initial.pointer;
    let interpreter = Interpreter::new(translator.is_active());
    Ok(Machine {
        state,
        kernel,
        modules,
        interpreter,
        translator,
    })
}

fn stack_error(config: &Config, error: StackError) -> StartError {
    let path = config.program.clone();
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

/// A hart as Linux starts it: all registers zero.
fn initial_state() -> Box<GuestState> {
    Box::new(GuestState {
        x: [0; 32],
        f: [0; 32],
        pc: 0,
        fflags: 0,
        frm: 0,
        reservation_address: u64::MAX,
        reservation_value: 0,
        exit_slot: 0,
        host_stack: 0,
        mxcsr: 0,
        attention: AtomicU32::new(0),
        scratch: 0,
        jump_cache: [JumpCacheEntry::EMPTY; JUMP_CACHE_LEN],
    })
}

/// What the initial stack tells the guest of its process.
fn process_facts() -> ProcessFacts {
    let mut random = [0_u8; 16];
    let address = random.as_mut_ptr() as u64;
    // Without entropy the guest's guards are weak, no more.
    let _ = host::call(libc::SYS_getrandom, [address, 16, 0, 0, 0, 0]);
    ProcessFacts {
        uid: u64::from(getuid().as_raw()),
        euid: u64::from(geteuid().as_raw()),
        gid: u64::from(getgid().as_raw()),
        egid: u64::from(getegid().as_raw()),
        clock_ticks: host::auxiliary_value(libc::AT_CLKTCK),
        random,
        stack_limit: getrlimit(Resource::Stack).current.unwrap_or(u64::MAX),
    }
}
