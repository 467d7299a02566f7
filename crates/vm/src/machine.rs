//! Starts a guest and runs it to its end.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rekindle::Cache;
use rekindle_hart::guest_memory::GUEST_START;
use rekindle_hart::{GuestState, Interpreter};
use rustix::process::{Resource, getegid, geteuid, getgid, getrlimit, getuid};

use crate::config::{Config, GuestExit, Outcome};
use crate::debug::Debugger;
use crate::dispatch::{InterpretOnly, Machine, Translator};
use crate::errno::Errno;
use crate::guest_signal::{IGNORE, SignalAction};
use crate::jit::{Jit, Shows};
use crate::loader;
use crate::process::{Memory, Process, ProcessStart};
use crate::spawn;
use crate::stack::{self, ProcessFacts, StackError};
use crate::start_error::StartError;
use crate::stats::RunStatistics;
use crate::syscall::{Kernel, host};
use crate::sysroot::Sysroot;
use crate::threads::Threads;
use crate::vdso::{self, Vdso};
use crate::{signal, signal::host_mask};

/// Held while a guest runs: guest addresses are host addresses, so a process has room for one.
pub(crate) static ADDRESS_SPACE: Mutex<()> = Mutex::new(());

/// Runs a guest program to its end.
///
/// Standard streams, working directory and everything else that system calls reach are this
/// process's own. A process runs one guest at a time; a second call waits for the first to return.
/// The calling thread is the guest's first: its signal mask is the guest's.
///
/// # Errors
///
/// When the program can't be started; nothing of it has run then.
pub fn run(config: Config) -> Result<Outcome, StartError> {
    let _one_at_a_time = ADDRESS_SPACE.lock().unwrap_or_else(PoisonError::into_inner);
    signal::install();
    let cache = match &config.cache {
        Some(settings) if config.jit => Cache::open(settings),
        _ => Cache::in_memory(),
    };
    if !config.jit || config.gdb.is_some() {
        return Ok(run_with(&config, cache, |_, _| InterpretOnly)?.0);
    }
    let shows = Shows {
        dump: config.dump_asm.clone(),
        perf_map: config.perf_map,
    };
    let new = |cache, threads| Jit::new(cache, threads, shows);
    let (mut outcome, mut jit) = run_with(&config, cache.clone(), new)?;
    jit.end();
    let statistics = &mut outcome.statistics;
    jit.add_to(statistics);
    statistics.image_bytes_mapped = cache.statistics().image_bytes_mapped;
    statistics.wall_ns = nanoseconds(config.started.elapsed());
    Ok(outcome)
}

/// Whether the kernel started this process to run a RISC-V program that somebody executed by name, as
/// it does for a registration that keeps `argv[0]`: the arguments are then the program's path, its
/// own name, and what it is given. (Linux 5.12 and newer say so, in the auxiliary vector.)
#[must_use]
pub fn is_started_by_binfmt() -> bool {
    const PRESERVES_ARGV0: u64 = 1;
    host::auxiliary_value(libc::AT_FLAGS) & PRESERVES_ARGV0 != 0
}

/// Runs the guest with the translator that `translator` makes, which is returned.
fn run_with<T: Translator>(
    config: &Config,
    cache: Cache,
    translator: impl FnOnce(Cache, Arc<Threads>) -> T,
) -> Result<(Outcome, T), StartError> {
    // Whatever arrives while the guest is prepared waits for it.
    let inherited = signal::block_all();
    let prepared = prepare(config, cache, inherited, translator);
    let mut machine = match prepared {
        Ok(machine) => machine,
        Err(error) => {
            signal::restore_mask(inherited);
            return Err(error);
        }
    };
    let startup_ns = nanoseconds(config.started.elapsed());
    machine.kernel.apply_mask();
    machine.run();
    if machine.process().is_child.load(Ordering::Relaxed) {
        spawn::end_process(&mut machine);
    }
    spawn::wait_for_threads(&mut machine);
    signal::leave_thread();
    machine.process().threads.remove(&machine.entry);
    let exit = machine.process().exit().unwrap_or(GuestExit::Code(0));
    if let Some(debugger) = machine.process().debugger() {
        debugger.end(&exit);
    }
    if let GuestExit::Signal { signal, .. } = exit {
        signal::restore_default(signal);
    }
    let process = Arc::clone(&machine.kernel.process);
    let modules = |pc| process.module_at(pc);
    machine.translator.finish_dump(&modules);
    if config.finish_compiles {
        machine
            .translator
            .finish(&modules, &mut machine.interpreter);
    }
    if !matches!(exit, GuestExit::Signal { .. }) {
        // Who dies of a signal must not block it.
        signal::restore_mask(inherited);
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

/// Loads the program and lays out its stack. `inherited` is the mask with which this process was
/// started.
fn prepare<T: Translator>(
    config: &Config,
    cache: Cache,
    inherited: u64,
    translator: impl FnOnce(Cache, Arc<Threads>) -> T,
) -> Result<Machine<T>, StartError> {
    let sysroot = match &config.sysroot {
        None => None,
        Some(path) => Some(Sysroot::new(path).map_err(|source| StartError::Sysroot {
            path: path.clone(),
            source,
        })?),
    };
    let mut memory = Memory::default();
    let program = loader::load(&mut memory, &config.program, sysroot.as_ref(), &cache)?;
    let vdso = vdso::map(&mut memory).map_err(|errno| StartError::Memory {
        path: config.program.clone(),
        what: "the vDSO",
        start: GUEST_START,
        end: stack::LOWEST,
        source: io::Error::from_raw_os_error(errno.0),
    })?;
    let facts = process_facts(&vdso);
    let built = stack::build(
        &mut memory.space,
        &program,
        &config.args,
        &config.env,
        &facts,
    );
    let initial = built.map_err(|error| stack_error(config, error))?;
    memory.space.take_stale_code();
    let debugger = match &config.gdb {
        None => None,
        Some(_) => Some(Arc::new(Debugger::new().map_err(debugger_error)?)),
    };
    let start = ProcessStart {
        program: program.path,
        args: config.args.clone(),
        sysroot,
        relaunch: config.relaunch.clone(),
        signal_return: vdso.signal_return,
        traces_calls: config.traces_calls,
        debugger: debugger.clone(),
    };
    let process = Arc::new(Process::new(start, memory));
    let _ = process.auxiliary_vector.set(initial.auxiliary_vector);
    inherit_actions(&process);
    if let (Some(listener), Some(debugger)) = (&config.gdb, &debugger) {
        debugger.serve(listener, &process).map_err(debugger_error)?;
    }
    let mut state = GuestState::new();
    state.pc = program.start;
    state.x[2] = initial.pointer;
    let mut translator = translator(cache.clone(), Arc::clone(&process.threads));
    if config.exact_faults {
        translator.make_faults_exact();
    }
    let blocked = config.signal_mask.unwrap_or(host_mask(inherited));
    let kernel = Kernel::new(process, blocked, cache);
    let entry = spawn::register(&kernel, &state);
    Ok(Machine {
        state,
        kernel,
        interpreter: Interpreter::new(translator.is_active()),
        translator,
        entry,
        seen_changes: 0,
        left_compiled_code: false,
        is_leader: true,
    })
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

fn debugger_error(source: io::Error) -> StartError {
    StartError::Debugger { source }
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
