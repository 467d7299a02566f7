//! An argument of a system call in words, as `strace` has it.

use rekindle_hart::guest_memory::{copy_in, load32, load64, read_c_string};

use super::names;

/// How much of a string is shown.
const STRING_MAX: usize = 32;
/// How many elements of an array are shown.
const ARRAY_MAX: usize = 32;

/// Writes `arguments[index]`, which is of this kind. `result` is the call's, if it succeeded: with
/// it, what the kernel has written is there to show.
pub(super) fn describe(kind: &str, arguments: &[u64], index: usize, result: Option<u64>) -> String {
    let value = arguments[index];
    let next = arguments.get(index + 1).copied().unwrap_or(0);
    if let Some(names) = names::of_kind(kind) {
        return names.describe(value);
    }
    let shown = match kind {
        "fd" | "int" => return (value as i32).to_string(),
        "uint" => return (value as u32).to_string(),
        "size" => return value.to_string(),
        "hex" => return number(value),
        "mode" => return format!("0{:o}", value as u32),
        "created_mode" => return created_mode(arguments[index - 1], value).unwrap_or_default(),
        "dir" if value as i32 == libc::AT_FDCWD => return "AT_FDCWD".to_owned(),
        "dir" => return (value as i32).to_string(),
        _ if value == 0 => return "NULL".to_owned(),
        "path" | "str" => text(value),
        "in" => buffer(value, next),
        "out" => result.and_then(|len| buffer(value, len)),
        "string" => result.and_then(|_| text(value)),
        "iov_in" => vector(value, next, None),
        "iov_out" => result.and_then(|len| vector(value, next, Some(len))),
        "strings" => strings(value),
        "environment" => count(value).map(|count| format!("{value:#x} /* {count} vars */")),
        "fds" => result.and_then(|_| {
            let (first, second) = (load32(value).ok()?, load32(value + 4).ok()?);
            Some(format!("[{first}, {second}]"))
        }),
        "time" => time(value),
        "time_out" => result.and_then(|_| time(value)),
        "interval" => interval(value),
        "set" => set(value),
        "set_out" => result.and_then(|_| set(value)),
        "action" => action(value),
        "action_out" => result.and_then(|_| action(value)),
        "limit" => limit(value),
        "limit_out" => result.and_then(|_| limit(value)),
        "status" => result
            .filter(|child| *child != 0)
            .and_then(|_| status(value)),
        "stat" => result.and_then(|_| stat(value)),
        "poll" => poll(value, next),
        "address" => address(value, next),
        _ => None,
    };
    shown.unwrap_or_else(|| format!("{value:#x}"))
}

/// The mode of a file, if `flags` say that it may be created.
fn created_mode(flags: u64, mode: u64) -> Option<String> {
    let creates = flags as i32 & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0;
    creates.then(|| format!("0{:o}", mode as u32))
}

fn number(value: u64) -> String {
    if value < 10 {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

/// The string at `address`.
fn text(address: u64) -> Option<String> {
    let bytes = read_c_string(address, libc::PATH_MAX as usize).ok()??;
    Some(format!("\"{}\"", bytes.escape_ascii()))
}

/// `len` bytes at `address`, or as many of them as are shown.
fn buffer(address: u64, len: u64) -> Option<String> {
    let shown = usize::try_from(len).unwrap_or(usize::MAX).min(STRING_MAX);
    let mut bytes = [0; STRING_MAX];
    copy_in(&mut bytes[..shown], address).ok()?;
    let more = if shown as u64 == len { "" } else { "..." };
    Some(format!("\"{}\"{more}", bytes[..shown].escape_ascii()))
}

/// The buffers of an array of `iovec`; `len` is how much of them is filled, if not all of it.
fn vector(address: u64, count: u64, len: Option<u64>) -> Option<String> {
    let mut left = len.unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for index in 0..count.min(ARRAY_MAX as u64) {
        let base = load64(address + index * 16).ok()?;
        let len = load64(address + index * 16 + 8).ok()?;
        let bytes = buffer(base, len.min(left))?;
        left -= len.min(left);
        parts.push(format!("{{iov_base={bytes}, iov_len={len}}}"));
    }
    Some(list(parts, count))
}

fn list(mut parts: Vec<String>, count: u64) -> String {
    if count > parts.len() as u64 {
        parts.push("...".to_owned());
    }
    format!("[{}]", parts.join(", "))
}

/// How many pointers stand at `address` before a null.
fn count(address: u64) -> Option<u64> {
    let mut count = 0;
    while load64(address + count * 8).ok()? != 0 {
        count += 1;
    }
    Some(count)
}

fn strings(address: u64) -> Option<String> {
    let count = count(address)?;
    let shown = count.min(ARRAY_MAX as u64);
    let parts = (0..shown).map(|index| text(load64(address + index * 8).ok()?));
    Some(list(parts.collect::<Option<_>>()?, count))
}

fn time(address: u64) -> Option<String> {
    let (seconds, nanoseconds) = (load64(address).ok()?, load64(address + 8).ok()?);
    Some(format!(
        "{{tv_sec={}, tv_nsec={}}}",
        seconds.cast_signed(),
        nanoseconds.cast_signed()
    ))
}

fn interval(address: u64) -> Option<String> {
    let (interval, value) = (time(address)?, time(address + 16)?);
    Some(format!("{{it_interval={interval}, it_value={value}}}"))
}

/// The set of signals at `address`.
fn set(address: u64) -> Option<String> {
    Some(signals(load64(address).ok()?))
}

fn signals(mut set: u64) -> String {
    // Where most are there, those that aren't are said.
    let inverted = set.count_ones() > 32;
    if inverted {
        set = !set;
    }
    let parts: Vec<String> = (1..=64)
        .filter(|number| set >> (number - 1) & 1 != 0)
        .map(short_signal)
        .collect();
    format!("{}[{}]", if inverted { "~" } else { "" }, parts.join(" "))
}

/// A signal's name without `SIG`; the real-time ones are counted from the first.
fn short_signal(number: i32) -> String {
    if number >= 32 {
        return format!("RT_{}", number - 32);
    }
    let name = super::signal_name(number);
    name.strip_prefix("SIG").unwrap_or(&name).to_owned()
}

fn action(address: u64) -> Option<String> {
    let handler = match load64(address).ok()? {
        0 => "SIG_DFL".to_owned(),
        1 => "SIG_IGN".to_owned(),
        handler => format!("{handler:#x}"),
    };
    let flags = number(load64(address + 8).ok()?);
    let mask = signals(load64(address + 16).ok()?);
    Some(format!(
        "{{sa_handler={handler}, sa_mask={mask}, sa_flags={flags}}}"
    ))
}

fn limit(address: u64) -> Option<String> {
    let one = |value: u64| match value {
        u64::MAX => "RLIM64_INFINITY".to_owned(),
        value => value.to_string(),
    };
    let (current, maximum) = (load64(address).ok()?, load64(address + 8).ok()?);
    Some(format!(
        "{{rlim_cur={}, rlim_max={}}}",
        one(current),
        one(maximum)
    ))
}

/// A child's status.
fn status(address: u64) -> Option<String> {
    let status = load32(address).ok()? as i32;
    Some(if libc::WIFEXITED(status) {
        let code = libc::WEXITSTATUS(status);
        format!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {code}}}]")
    } else if libc::WIFSIGNALED(status) {
        let signal = super::signal_name(libc::WTERMSIG(status));
        format!("[{{WIFSIGNALED(s) && WTERMSIG(s) == {signal}}}]")
    } else if libc::WIFSTOPPED(status) {
        let signal = super::signal_name(libc::WSTOPSIG(status));
        format!("[{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal}}}]")
    } else {
        format!("[{status:#x}]")
    })
}

/// RISC-V's `struct stat`: the mode at byte 16, the size at byte 48.
fn stat(address: u64) -> Option<String> {
    let (mode, size) = (load32(address + 16).ok()?, load64(address + 48).ok()?);
    let kind = match mode & libc::S_IFMT {
        libc::S_IFREG => "S_IFREG",
        libc::S_IFDIR => "S_IFDIR",
        libc::S_IFLNK => "S_IFLNK",
        libc::S_IFCHR => "S_IFCHR",
        libc::S_IFBLK => "S_IFBLK",
        libc::S_IFIFO => "S_IFIFO",
        libc::S_IFSOCK => "S_IFSOCK",
        _ => "0",
    };
    Some(format!(
        "{{st_mode={kind}|0{:o}, st_size={size}, ...}}",
        mode & !libc::S_IFMT
    ))
}

fn poll(address: u64, count: u64) -> Option<String> {
    let mut parts = Vec::new();
    for index in 0..count.min(ARRAY_MAX as u64) {
        let descriptor = load32(address + index * 8).ok()?;
        let events = load32(address + index * 8 + 4).ok()?;
        parts.push(format!(
            "{{fd={}, events={:#x}, revents={:#x}}}",
            descriptor as i32,
            events & 0xffff,
            events >> 16
        ));
    }
    Some(list(parts, count))
}

/// A socket's address.
fn address(address: u64, len: u64) -> Option<String> {
    let mut bytes = [0; 128];
    let len = usize::try_from(len).ok()?.min(bytes.len());
    let bytes = &mut bytes[..len];
    copy_in(bytes, address).ok()?;
    let family = u64::from(u16::from_le_bytes(*bytes.first_chunk()?));
    let name = names::of_kind("domain")?.describe(family);
    let rest = &bytes[2..];
    let shown = match (family as i32, rest) {
        (libc::AF_UNIX, [0, name @ ..]) => format!("sun_path=@\"{}\"", name.escape_ascii()),
        (libc::AF_UNIX, path) => {
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            format!("sun_path=\"{}\"", path.escape_ascii())
        }
        (libc::AF_INET, [high, low, a, b, c, d, ..]) => {
            let port = u16::from(*high) << 8 | u16::from(*low);
            format!("sin_port=htons({port}), sin_addr=inet_addr(\"{a}.{b}.{c}.{d}\")")
        }
        _ => format!("sa_data=\"{}\"", rest.escape_ascii()),
    };
    Some(format!("{{sa_family={name}, {shown}}}"))
}
