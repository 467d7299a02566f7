//! The command line.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rekindle_vm::CodeLocation;

/// Runs RISC-V Linux programs, and keeps the machine code that it makes of them.
#[derive(Debug, Parser)]
#[command(
    name = "rekindle",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a RISC-V program.
    Run(RunArguments),
    /// Look at, check, or clear the cache of machine code.
    Cache(CacheArguments),
    /// Say whether the cache works here, and what is in its way. The exit code is 0 if it works.
    Doctor(CacheOptions),
    /// Have the kernel start RISC-V programs with rekindle.
    Binfmt(BinfmtArguments),
    /// Print what a shell needs to complete rekindle's options.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual's pages, as `man` reads them.
    Man {
        /// Write all of them into this folder, instead of the first one on standard output.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Keep machine code in memory alone: read no cache, write none.
    #[arg(long)]
    pub(crate) no_persistent_cache: bool,

    /// Interpret every instruction; compile nothing. The same as --tier=interp.
    #[arg(long)]
    pub(crate) no_jit: bool,

    /// Who runs the program's code.
    #[arg(
        long,
        value_name = "TIER",
        value_enum,
        default_value_t = Tier::Auto,
        conflicts_with = "no_jit"
    )]
    pub(crate) tier: Tier,

    /// Where the cache is [default: $REKINDLE_CACHE_DIR, $XDG_CACHE_HOME/rekindle,
    /// ~/.cache/rekindle].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// When the program has ended, print statistics on standard error.
    #[arg(
        long,
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub(crate) stats: Option<Format>,

    /// When the program ends, finish the compilations that are still queued, so that the next run
    /// compiles nothing. Takes longer to exit.
    #[arg(long)]
    pub(crate) finish_compiles: bool,

    /// Look absolute paths of the program, its dynamic loader's and libraries' among them, up in this
    /// folder before the root [default: $REKINDLE_SYSROOT].
    #[arg(short = 'L', long, value_name = "DIR")]
    pub(crate) sysroot: Option<PathBuf>,

    /// Print the program's system calls and signals on standard error, as strace does.
    #[arg(long)]
    pub(crate) strace: bool,

    /// Show on standard error what this place becomes: the program's instructions, and for each of them
    /// the CLIF and the host code. An address (0x…), a function's name, or name+0xOFFSET. Implies
    /// --no-persistent-cache.
    #[arg(long, value_name = "PLACE", conflicts_with = "no_jit")]
    pub(crate) dump_asm: Option<CodeLocation>,

    /// Name freshly compiled code for perf, in /tmp/perf-PID.map. Code from the cache has its names in
    /// the cache's files.
    #[arg(long)]
    pub(crate) perf_map: bool,

    /// Wait for a debugger on this port of this machine (or ADDRESS:PORT) before the program starts:
    /// gdb-multiarch PROGRAM -ex 'target remote :PORT'. Nothing is compiled then.
    #[arg(long, value_name = "PORT", value_parser = parse_address, conflicts_with = "dump_asm")]
    pub(crate) gdb: Option<SocketAddr>,

    /// Keep all registers exact at every memory access, for exact reports of faults. Costs speed;
    /// programs that catch SIGSEGV or SIGBUS get this by themselves.
    #[arg(long)]
    pub(crate) exact_faults: bool,

    /// The name that the program gets as its own, instead of PROGRAM.
    #[arg(short = '0', long, value_name = "NAME")]
    pub(crate) argv0: Option<OsString>,

    /// The signals that the program starts with blocked, as a number.
    #[arg(long, value_name = "SET", hide = true, value_parser = parse_signal_set)]
    pub(crate) signal_mask: Option<u64>,

    /// A variable (NAME=value) for the program's environment alone.
    #[arg(short = 'E', long, value_name = "NAME=VALUE")]
    pub(crate) guest_env: Vec<OsString>,

    /// The program's ELF file, and what it is given. Everything after PROGRAM is the program's own,
    /// options too.
    #[arg(
        required = true,
        value_names = ["PROGRAM", "ARGS"],
        num_args = 1..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) program: Vec<OsString>,
}

/// Reads an address to listen at: `PORT`, or `ADDRESS:PORT`.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix(':').unwrap_or(text);
    match text.parse() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text
            .parse()
            .map_err(|_| "neither a port nor an address with a port".to_owned()),
    }
}

/// Reads a set of signals: a number, hexadecimal with `0x` in front.
fn parse_signal_set(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|error| error.to_string())
}

/// Who runs a program's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// The interpreter alone.
    Interp,
    /// The single-pass translator, which keeps nothing between runs yet.
    Quick,
    /// The interpreter, and Cranelift for what is hot.
    Opt,
    /// What is thought best: as `opt` is, for now.
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    Text,
    /// One line of JSON.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct BinfmtArguments {
    #[command(subcommand)]
    pub(crate) command: BinfmtCommand,

    /// Where the kernel's binfmt_misc is mounted.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/proc/sys/fs/binfmt_misc",
        global = true
    )]
    pub(crate) binfmt_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BinfmtCommand {
    /// From now on, RISC-V programs start by their name, until the machine restarts. Takes root.
    Register {
        /// Print the line for /etc/binfmt.d instead, and change nothing.
        #[arg(long)]
        print: bool,
    },
    /// Undo that. Takes root.
    Unregister,
    /// Say what the kernel starts RISC-V programs with. The exit code is 0 if that is rekindle.
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,

    #[command(flatten)]
    pub(crate) options: CacheOptions,
}

/// What all commands about the cache take, before the command's name or behind it.
#[derive(Debug, Args)]
pub(crate) struct CacheOptions {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Where the cache is [default: $REKINDLE_CACHE_DIR, $XDG_CACHE_HOME/rekindle,
    /// ~/.cache/rekindle].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// How much the cache holds.
    Stats,
    /// The pieces of code that the cache holds.
    Ls(LsArguments),
    /// Why a piece of code was compiled when it was compiled last: what differs from the nearest one
    /// that was there.
    Why {
        /// The code's name, as `rekindle cache ls` shows it.
        name: String,
    },
    /// Check every file of the cache. The exit code is 0 if all are intact.
    Verify,
    /// Delete what is damaged, and what is more than the cache may hold.
    Gc(GcArguments),
    /// Delete everything that the cache holds.
    Clear,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LsArguments {
    /// Only code whose name contains this.
    pub(crate) name: Option<String>,

    /// Only scopes whose name or folder contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) scope: Option<String>,

    /// Only environments whose folder contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) environment: Option<String>,

    /// Only what is damaged.
    #[arg(long)]
    pub(crate) damaged: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Delete what nobody used for so many days, too.
    #[arg(long, value_name = "DAYS")]
    pub(crate) unused_for: Option<u32>,

    /// How much may stay, in bytes, or with K, M or G behind the number [default: $REKINDLE_CACHE_SIZE,
    /// 512M].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) size: Option<u64>,
}

fn parse_size(text: &str) -> Result<u64, String> {
    rekindle::parse_size(text).ok_or_else(|| "neither bytes nor a number with K, M or G".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Arguments, CacheArguments, Command, Format, RunArguments, Tier};

    fn run(line: &[&str]) -> RunArguments {
        let words = ["rekindle", "run"].iter().chain(line);
        match Arguments::try_parse_from(words).map(|arguments| arguments.command) {
            Ok(Command::Run(arguments)) => arguments,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn what_follows_the_program_is_the_programs() {
        for line in [
            &["--stats", "prog", "--stats=json", "-x", "--", "a"][..],
            &["--stats", "--", "prog", "--stats=json", "-x", "--", "a"],
        ] {
            let arguments = run(line);
            assert_eq!(arguments.stats, Some(Format::Text));
            assert_eq!(arguments.program, ["prog", "--stats=json", "-x", "--", "a"]);
        }
        assert_eq!(
            run(&["prog", "--", "--help"]).program,
            ["prog", "--", "--help"]
        );
        assert_eq!(
            run(&["prog", "--no-jit", "-V"]).program,
            ["prog", "--no-jit", "-V"]
        );
        assert!(!run(&["prog", "--no-jit"]).no_jit);
    }

    #[test]
    fn a_tier_is_pinned_by_name_and_not_by_two() {
        assert_eq!(run(&["prog"]).tier, Tier::Auto);
        assert_eq!(run(&["--tier=quick", "prog"]).tier, Tier::Quick);
        for line in [
            &["rekindle", "run", "--tier=slow", "prog"][..],
            &["rekindle", "run", "--tier=quick", "--no-jit", "prog"],
        ] {
            assert!(Arguments::try_parse_from(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn options_come_before_the_program() {
        let arguments = run(&[
            "--no-jit",
            "--cache-dir",
            "d",
            "--stats=json",
            "--finish-compiles",
            "prog",
        ]);
        assert!(arguments.no_jit && arguments.finish_compiles && !arguments.no_persistent_cache);
        assert_eq!(arguments.stats, Some(Format::Json));
        assert_eq!(
            arguments.cache_dir.as_deref(),
            Some(std::path::Path::new("d"))
        );
        assert!(Arguments::try_parse_from(["rekindle", "run"]).is_err());
    }

    #[test]
    fn the_caches_options_stand_before_or_behind_the_verb() {
        for line in [
            ["cache", "--cache-dir", "d", "ls"],
            ["cache", "ls", "--cache-dir", "d"],
        ] {
            let words = ["rekindle"].into_iter().chain(line);
            let Ok(Command::Cache(CacheArguments { options, .. })) =
                Arguments::try_parse_from(words).map(|arguments| arguments.command)
            else {
                panic!("{line:?}")
            };
            let folder = options.cache_dir.as_deref();
            assert_eq!(folder, Some(std::path::Path::new("d")));
        }
    }

    #[test]
    fn clap_finds_nothing_wrong() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
