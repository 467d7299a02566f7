//! The guest's signals: what a signal carries, what the process does about each, what a thread
//! blocks. Frames are `signal_frame.rs`'s; the host's side is `signal.rs`'s.
//!
//! A guest thread's mask is also its host thread's, so the host's kernel decides which thread gets
//! a signal, keeps what is pending, and queues. What arrives is handed to the guest one at a time.

use rustix::process::getuid;

/// One more than the greatest signal number.
const SIGNAL_COUNT: usize = 65;

/// The default disposition.
pub(crate) const DEFAULT: u64 = 0;
/// The disposition of an ignored signal.
pub(crate) const IGNORE: u64 = 1;

/// What a guest asked for with `rt_sigaction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignalAction {
    /// [`DEFAULT`], [`IGNORE`] or the guest PC of a handler.
    pub(crate) handler: u64,
    /// `SA_…` flags.
    pub(crate) flags: u64,
    /// Signals that are blocked while the handler runs.
    pub(crate) mask: u64,
}

/// The stack that `sigaltstack` set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlternateStack {
    /// Its lowest address.
    pub(crate) start: u64,
    /// `SS_DISABLE`, or other flags.
    pub(crate) flags: u32,
    /// Its length in bytes.
    pub(crate) len: u64,
}

impl AlternateStack {
    /// No stack.
    pub(crate) const NONE: Self = Self {
        start: 0,
        flags: libc::SS_DISABLE as u32,
        len: 0,
    };

    /// Whether `pointer` points into it.
    pub(crate) fn holds(&self, pointer: u64) -> bool {
        self.flags & libc::SS_DISABLE as u32 == 0
            && pointer > self.start
            && pointer - self.start <= self.len
    }
}

/// The size of `siginfo`.
pub(crate) const INFO_LEN: usize = 128;

/// A signal and what is told about it: the bytes of `siginfo`, which x86-64 and RISC-V share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalInfo(pub(crate) [u8; INFO_LEN]);

impl SignalInfo {
    /// The signal of a fault at `address`.
    pub fn fault(signal: i32, code: i32, address: u64) -> Self {
        let mut info = [0; INFO_LEN];
        info[..4].copy_from_slice(&signal.to_le_bytes());
        info[8..12].copy_from_slice(&code.to_le_bytes());
        info[16..24].copy_from_slice(&address.to_le_bytes());
        Self(info)
    }

    /// A signal that a process of this number, whose real user is `user`, sent.
    pub(crate) fn sent(signal: i32, code: i32, process: i32, user: u32) -> Self {
        let mut info = [0; INFO_LEN];
        info[..4].copy_from_slice(&signal.to_le_bytes());
        info[8..12].copy_from_slice(&code.to_le_bytes());
        info[16..20].copy_from_slice(&process.to_le_bytes());
        info[20..24].copy_from_slice(&user.to_le_bytes());
        Self(info)
    }

    /// This, where its signal is `wanted`; else what a debugger sends in its place.
    pub fn or_other(self, wanted: i32) -> Self {
        if self.signal() == wanted {
            return self;
        }
        let own = std::process::id().cast_signed();
        Self::sent(wanted, libc::SI_USER, own, getuid().as_raw())
    }

    fn word(&self, offset: usize) -> i32 {
        i32::from_le_bytes(self.0[offset..].first_chunk().copied().unwrap_or_default())
    }

    /// The signal's number.
    pub fn signal(&self) -> i32 {
        self.word(0)
    }

    /// `si_code`: not positive where a process sent the signal.
    pub(crate) fn code(&self) -> i32 {
        self.word(8)
    }

    /// Whether an instruction raised it.
    pub(crate) fn is_fault(&self) -> bool {
        let faults = [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
        ];
        self.code() > 0 && faults.contains(&self.signal())
    }

    /// Of a fault: the address.
    pub(crate) fn address(&self) -> u64 {
        u64::from_le_bytes(self.0[16..].first_chunk().copied().unwrap_or_default())
    }

    /// Of a signal that a process sent: its number.
    pub(crate) fn sender(&self) -> i32 {
        self.word(16)
    }
}

/// What a process does about each signal.
#[derive(Clone, Debug)]
pub(crate) struct SignalActions([SignalAction; SIGNAL_COUNT]);

impl Default for SignalActions {
    fn default() -> Self {
        Self([SignalAction::default(); SIGNAL_COUNT])
    }
}

impl SignalActions {
    /// The action of a signal, or `None` where there is no such signal.
    pub(crate) fn get(&self, signal: i32) -> Option<SignalAction> {
        if bit(signal) == 0 {
            return None;
        }
        self.0.get(signal as usize).copied()
    }

    /// Sets the action of a signal that can be caught.
    pub(crate) fn set(&mut self, signal: i32, action: SignalAction) {
        if bit(signal) & !UNBLOCKABLE != 0
            && let Some(slot) = self.0.get_mut(signal as usize)
        {
            *slot = action;
        }
    }
}

/// One thread's signals.
#[derive(Clone, Debug)]
pub(crate) struct ThreadSignals {
    /// The signals that are blocked.
    pub(crate) blocked: u64,
    /// The stack for handlers that ask for it.
    pub(crate) alternate_stack: AlternateStack,
    /// The mask that comes back once a call that waits under another one is over.
    pub(crate) suspended_mask: Option<u64>,
    /// Signals that the host could not be told to block, and that the guest blocks.
    pub(crate) deferred: Vec<SignalInfo>,
}

impl ThreadSignals {
    /// The signals of a thread that starts with a mask.
    pub(crate) fn new(blocked: u64) -> Self {
        Self {
            blocked,
            alternate_stack: AlternateStack::NONE,
            suspended_mask: None,
            deferred: Vec::new(),
        }
    }

    /// Takes a deferred signal that isn't blocked any more.
    pub(crate) fn take_deferred(&mut self) -> Option<SignalInfo> {
        let blocked = self.blocked;
        let free = |info: &SignalInfo| bit(info.signal()) & blocked == 0;
        let index = self.deferred.iter().position(free)?;
        Some(self.deferred.remove(index))
    }
}

/// The bit of a signal in a set; none for numbers that aren't signals.
pub(crate) const fn bit(signal: i32) -> u64 {
    if signal >= 1 && signal < SIGNAL_COUNT as i32 {
        1 << (signal - 1)
    } else {
        0
    }
}

/// The signals that can't be blocked, caught or ignored.
pub(crate) const UNBLOCKABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);

/// What a signal without a handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultAction {
    /// Nothing.
    Ignore,
    /// The process stops until it is continued.
    Stop,
    /// The process ends.
    Terminate,
    /// The process ends, and something was wrong with it.
    Core,
}

/// The default action of a signal.
pub(crate) const fn default_action(signal: i32) -> DefaultAction {
    match signal {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => DefaultAction::Ignore,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => DefaultAction::Stop,
        libc::SIGQUIT
        | libc::SIGILL
        | libc::SIGTRAP
        | libc::SIGABRT
        | libc::SIGBUS
        | libc::SIGFPE
        | libc::SIGSEGV
        | libc::SIGXCPU
        | libc::SIGXFSZ
        | libc::SIGSYS => DefaultAction::Core,
        _ => DefaultAction::Terminate,
    }
}
