//! `rekindle run`: one guest, from its file to its end.

use std::ffi::{CString, OsString};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rekindle::CacheConfig;
use rekindle_vm::{Config, GuestExit, Outcome};

use crate::arguments::{RunArguments, Tier};
use crate::ending;
use crate::report;

/// What a shell answers for a command that it cannot find, and for one that it cannot execute.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Runs the guest and ends as it ended: this returns only where the guest could not be started.
pub(crate) fn run(arguments: RunArguments, started: Instant) -> ExitCode {
    let program = PathBuf::from(&arguments.program[0]);
    if arguments.program[0].as_bytes().starts_with(b"-") && !program.exists() {
        eprintln!(
            "rekindle: unknown option {}; see rekindle run --help",
            program.display()
        );
        return ExitCode::from(2);
    }
    if arguments.tier == Tier::Quick && (arguments.dump_asm.is_some() || arguments.perf_map) {
        eprintln!("rekindle: --tier=quick has neither --dump-asm nor --perf-map yet");
        return ExitCode::from(2);
    }
    name_thread(&program);
    let stats = arguments.stats;
    let gdb = match arguments.gdb.map(wait_for_debugger).transpose() {
        Ok(gdb) => gdb,
        Err(error) => {
            eprintln!("rekindle: no debugger can be waited for: {error}");
            return ExitCode::from(2);
        }
    };
    let mut config = config(arguments, program.clone(), started);
    config.gdb = gdb;
    rekindle_vm::close_missing_streams();
    match rekindle_vm::run(config) {
        // What has the number of standard error is the guest's.
        Ok(outcome) if !rekindle_vm::has_standard_error() => end_as(&outcome),
        Ok(mut outcome) => {
            let ignored = CacheConfig::ignored_variables();
            outcome.statistics.notices.extend(ignored);
            if let GuestExit::Signal { message, .. } = &outcome.exit
                && !message.is_empty()
            {
                eprintln!("rekindle: {}: {message}", program.display());
            }
            // The last line, so that whoever wants it knows where to look.
            if let Some(format) = stats {
                report::print(format, &outcome.statistics);
            }
            end_as(&outcome)
        }
        Err(error) => {
            eprintln!("rekindle: {error}");
            ExitCode::from(if program.exists() {
                NOT_EXECUTABLE
            } else {
                NOT_FOUND
            })
        }
    }
}

/// Listens for a debugger, and says where.
fn wait_for_debugger(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    let address = listener.local_addr()?;
    eprintln!("rekindle: waiting for a debugger at {address}");
    Ok(listener)
}

/// Gives the calling thread, which is the guest's first, the program's name, as `execve` does.
fn name_thread(program: &Path) {
    let name = program.file_name().unwrap_or_default().as_bytes();
    if let Ok(name) = CString::new(name) {
        // It is there for people to read.
        let _ = rustix::thread::set_name(&name);
    }
}

fn config(mut arguments: RunArguments, program: PathBuf, started: Instant) -> Config {
    let sysroot = rekindle::variable("REKINDLE_SYSROOT").filter(|folder| !folder.is_empty());
    arguments.sysroot = arguments.sysroot.or_else(|| sysroot.map(PathBuf::from));
    let relaunch = relaunch(&arguments);
    let persists = !arguments.no_persistent_cache && arguments.dump_asm.is_none();
    let cache = persists.then(|| {
        let mut config = CacheConfig::from_env();
        if let Some(directory) = arguments.cache_dir {
            config.directory = Some(directory);
        }
        config
    });
    let tier = match arguments.tier {
        _ if arguments.no_jit => rekindle_vm::Tier::Interpreter,
        Tier::Interp => rekindle_vm::Tier::Interpreter,
        Tier::Quick => rekindle_vm::Tier::Quick,
        Tier::Opt | Tier::Auto => rekindle_vm::Tier::Optimizing,
    };
    let mut args = arguments.program;
    if let Some(name) = arguments.argv0 {
        args[0] = name;
    }
    let mut env = environment();
    env.extend(arguments.guest_env);
    Config {
        program,
        args,
        env,
        tier,
        cache,
        finish_compiles: arguments.finish_compiles,
        sysroot: arguments.sysroot,
        relaunch,
        signal_mask: arguments.signal_mask,
        traces_calls: arguments.strace,
        exact_faults: arguments.exact_faults,
        gdb: None,
        dump_asm: arguments.dump_asm,
        perf_map: arguments.perf_map,
        started,
    }
}

/// The arguments with which programs that the guest starts are run as it is.
fn relaunch(arguments: &RunArguments) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["rekindle".into(), "run".into()];
    let mut flag = |given: bool, name: &str| {
        if given {
            all.push(name.into());
        }
    };
    flag(arguments.no_persistent_cache, "--no-persistent-cache");
    flag(arguments.no_jit, "--no-jit");
    flag(arguments.tier == Tier::Interp, "--tier=interp");
    flag(arguments.tier == Tier::Quick, "--tier=quick");
    flag(arguments.tier == Tier::Opt, "--tier=opt");
    flag(arguments.strace, "--strace");
    flag(arguments.exact_faults, "--exact-faults");
    flag(arguments.finish_compiles, "--finish-compiles");
    flag(arguments.perf_map, "--perf-map");
    // The guest may change its directory and its environment.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let cache_dir = arguments.cache_dir.clone();
    if let Some(folder) = cache_dir.or_else(rekindle::default_directory) {
        all.push("--cache-dir".into());
        all.push(absolute(&folder).into());
    }
    if let Some(sysroot) = &arguments.sysroot {
        all.push("--sysroot".into());
        all.push(absolute(sysroot).into());
    }
    all
}

/// The environment as `NAME=value` strings, in the order in which the kernel gave it.
fn environment() -> Vec<OsString> {
    std::env::vars_os()
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect()
}

/// Ends this process without running destructors: what had to be kept is kept, and unmapping a
/// guest's memory piece by piece helps nobody.
fn end_as(outcome: &Outcome) -> ! {
    match outcome.exit {
        GuestExit::Code(code) => std::process::exit(code & 0xff),
        GuestExit::Signal { signal, .. } => ending::die_by(signal),
    }
}
