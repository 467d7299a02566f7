//! Starts a guest and runs it to its end.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rekindle::{Cache, CacheMode};
use rekindle_hart::Interpreter;
use rekindle_linux::signal::{self, host_mask};
use rekindle_linux::{GuestExit, Kernel, Start, StartError, Started, Threads, Tracer, start};
use rekindle_tiers::{InterpretOnly, Jit, Quick, Shows, TierStatistics, Translator, own_files};

use crate::config::{Config, Outcome, Tier};
use crate::debug::Debugger;
use crate::machine::Machine;
use crate::spawn;
use crate::stats::RunStatistics;
use crate::surroundings::{ProcessAround, module_at};

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
    signal::install(Some(own_files()));
    let cache = match &config.cache {
        Some(settings) if config.tier == Tier::Optimizing => Cache::open(settings),
        _ => Cache::in_memory(),
    };
    let tier = match config.gdb {
        Some(_) => Tier::Interpreter,
        None => config.tier,
    };
    match tier {
        Tier::Interpreter => return Ok(run_with(&config, cache, |_, _| InterpretOnly)?.0),
        Tier::Quick => return run_quick(&config, cache),
        Tier::Optimizing => {}
    }
    let shows = Shows {
        dump: config.dump_asm.clone(),
        perf_map: config.perf_map,
    };
    let new = |cache, threads| Jit::new(cache, Arc::new(ProcessAround(threads)), shows);
    let (mut outcome, mut jit) = run_with(&config, cache.clone(), new)?;
    jit.end();
    let statistics = &mut outcome.statistics;
    let TierStatistics {
        regions_compiled,
        regions_loaded,
        misses,
        compile_ns_spent,
        compile_ns_avoided,
    } = jit.statistics();
    statistics.regions_compiled = regions_compiled;
    statistics.regions_loaded = regions_loaded;
    statistics.misses = misses;
    statistics.compile_ns_spent = compile_ns_spent;
    statistics.compile_ns_avoided = compile_ns_avoided;
    statistics.image_bytes_mapped = cache.statistics().image_bytes_mapped;
    statistics.notices = notices(&config, &cache);
    statistics.wall_ns = nanoseconds(config.started.elapsed());
    Ok(outcome)
}

/// Runs a guest by the single-pass tier, of which nothing is kept.
fn run_quick(config: &Config, cache: Cache) -> Result<Outcome, StartError> {
    let Some(quick) = Quick::new() else {
        let (mut outcome, _) = run_with(config, cache, |_, _| InterpretOnly)?;
        let notice =
            "this host can't run what the single-pass tier makes: the program was interpreted";
        outcome.statistics.notices.push(notice.to_owned());
        return Ok(outcome);
    };
    let (mut outcome, quick) = run_with(config, cache, |_, _| quick)?;
    let TierStatistics {
        regions_compiled,
        compile_ns_spent,
        ..
    } = quick.statistics();
    outcome.statistics.regions_compiled = regions_compiled;
    outcome.statistics.compile_ns_spent = compile_ns_spent;
    outcome.statistics.wall_ns = nanoseconds(config.started.elapsed());
    Ok(outcome)
}

/// What a person should hear about the cache of a run that has ended.
fn notices(config: &Config, cache: &Cache) -> Vec<String> {
    let is_off = match &config.cache {
        None => true,
        Some(settings) => settings.mode == CacheMode::Off,
    };
    let off = is_off.then(|| "nothing is kept between runs: the cache is off".to_owned());
    let of_cache = cache.notices().into_iter().map(|notice| notice.to_string());
    off.into_iter().chain(of_cache).collect()
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
    if machine.process().is_child() {
        spawn::end_process(&mut machine);
    }
    spawn::wait_for_threads(&mut machine);
    signal::leave_thread();
    machine.process().threads.remove(&machine.entry);
    let exit = machine.process().exit().unwrap_or(GuestExit::Code(0));
    if let Some(debugger) = machine.debugger() {
        debugger.end(&exit);
    }
    if let GuestExit::Signal { signal, .. } = exit {
        signal::restore_default(signal);
    }
    let process = Arc::clone(&machine.kernel.process);
    let modules = |pc| module_at(&process, pc);
    machine.translator.finish_dump(&modules);
    if config.finish_compiles {
        machine
            .translator
            .finish(&modules, &mut machine.interpreter);
    }
    // While the guest's memory is there: it may have to say what of this is kept.
    machine.translator.flush();
    if !matches!(exit, GuestExit::Signal { .. }) {
        // Who dies of a signal must not block it.
        signal::restore_mask(inherited);
    }
    let statistics = RunStatistics {
        instructions_interpreted: machine.interpreter.instructions()
            + machine.interpreted_by_others.load(Ordering::Relaxed),
        startup_ns,
        wall_ns: nanoseconds(config.started.elapsed()),
        ..RunStatistics::default()
    };
    Ok((Outcome { exit, statistics }, machine.translator))
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Prepares the process and its first thread. `inherited` is the mask with which this process was
/// started.
fn prepare<T: Translator>(
    config: &Config,
    cache: Cache,
    inherited: u64,
    translator: impl FnOnce(Cache, Arc<Threads>) -> T,
) -> Result<Machine<T>, StartError> {
    let debugger = match &config.gdb {
        None => None,
        Some(_) => Some(Arc::new(Debugger::new().map_err(debugger_error)?)),
    };
    let tracer = debugger.clone().map(|debugger| debugger as Arc<dyn Tracer>);
    let wanted = Start {
        program: &config.program,
        args: &config.args,
        env: &config.env,
        sysroot: config.sysroot.as_ref(),
        relaunch: &config.relaunch,
        traces_calls: config.traces_calls,
        tracer,
    };
    let Started { process, state } = start(wanted, &cache)?;
    if let (Some(listener), Some(debugger)) = (&config.gdb, &debugger) {
        debugger.serve(listener, &process).map_err(debugger_error)?;
    }
    let mut translator = translator(cache.clone(), Arc::clone(&process.threads));
    if config.exact_faults {
        translator.make_faults_exact();
    }
    let blocked = config.signal_mask.unwrap_or(host_mask(inherited));
    let kernel = Kernel::new(process, blocked, Some(cache));
    let entry = spawn::register(&kernel, &state);
    Ok(Machine {
        state,
        kernel,
        interpreter: Interpreter::new(translator.is_active()),
        translator,
        entry,
        debugger,
        seen_changes: 0,
        left_compiled_code: false,
        is_leader: true,
        interpreted_by_others: Arc::default(),
    })
}

fn debugger_error(source: io::Error) -> StartError {
    StartError::Debugger { source }
}
