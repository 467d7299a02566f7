//! The guest's signals: dispositions, masks, what is pending. Frames are `signal_frame.rs`'s.

use crate::config::GuestExit;

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

/// Who sent a signal, as `siginfo` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalInfo {
    /// The signal's number.
    pub(crate) signal: i32,
    /// `si_code`.
    pub(crate) code: i32,
    /// What follows the three numbers: the address of a fault, or process and user.
    pub(crate) detail: u64,
}

impl SignalInfo {
    /// A signal that this process sends itself with a system call.
    pub(crate) fn own(signal: i32, code: i32) -> Self {
        let process = u64::from(std::process::id());
        let user = u64::from(rustix::process::getuid().as_raw());
        Self {
            signal,
            code,
            detail: user << 32 | process,
        }
    }
}

/// The default action of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultAction {
    Ignore,
    Stop,
    Terminate,
}

/// A guest's signals.
#[derive(Debug)]
pub(crate) struct GuestSignals {
    actions: [SignalAction; SIGNAL_COUNT],
    pending: [Option<SignalInfo>; SIGNAL_COUNT],
    /// The signals that are blocked.
    pub(crate) blocked: u64,
    /// The stack for handlers that ask for it.
    pub(crate) alternate_stack: AlternateStack,
    /// The mask that comes back after `rt_sigsuspend`.
    pub(crate) suspended_mask: Option<u64>,
}

impl Default for GuestSignals {
    fn default() -> Self {
        Self {
            actions: [SignalAction::default(); SIGNAL_COUNT],
            pending: [None; SIGNAL_COUNT],
            blocked: 0,
            alternate_stack: AlternateStack::NONE,
            suspended_mask: None,
        }
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

impl GuestSignals {
    /// The action of a signal, or `None` where there is no such signal.
    pub(crate) fn action(&self, signal: i32) -> Option<SignalAction> {
        if bit(signal) == 0 {
            None
        } else {
            self.actions.get(signal as usize).copied()
        }
    }

    /// Sets the action of a signal that can be caught.
    pub(crate) fn set_action(&mut self, signal: i32, action: SignalAction) {
        if bit(signal) & !UNBLOCKABLE != 0
            && let Some(slot) = self.actions.get_mut(signal as usize)
        {
            *slot = action;
            if self.is_ignored(signal) {
                self.pending[signal as usize] = None;
            }
        }
    }

    /// The set of signals that are pending.
    pub(crate) fn pending_set(&self) -> u64 {
        self.pending
            .iter()
            .flatten()
            .fold(0, |set, info| set | bit(info.signal))
    }

    /// Notes that a signal has arrived; one that is ignored leaves no trace.
    pub(crate) fn post(&mut self, info: SignalInfo) {
        let known = bit(info.signal) != 0;
        let blocked = self.blocked & bit(info.signal) != 0;
        if known && (blocked || !self.is_ignored(info.signal)) {
            self.pending[info.signal as usize].get_or_insert(info);
        }
    }

    /// Takes a pending signal of `set`.
    pub(crate) fn take_pending(&mut self, set: u64) -> Option<SignalInfo> {
        let info = self
            .pending
            .iter_mut()
            .find(|slot| slot.is_some_and(|info| bit(info.signal) & set != 0))?;
        info.take()
    }

    /// The pending signal that acts next: it is neither blocked nor ignored.
    pub(crate) fn next(&mut self) -> Option<SignalInfo> {
        while let Some(info) = self.take_pending(!self.blocked) {
            if !self.is_ignored(info.signal) {
                return Some(info);
            }
        }
        None
    }

    /// Whether [`next`](Self::next) would run a handler with `SA_RESTART` or none at all.
    pub(crate) fn restarts_calls(&self) -> bool {
        self.pending.iter().flatten().all(|info| {
            bit(info.signal) & self.blocked != 0
                || self.actions[info.signal as usize].flags & libc::SA_RESTART as u64 != 0
        })
    }

    /// What ends the guest, or stops it, where a signal is not caught.
    pub(crate) fn default_effect(info: SignalInfo) -> DefaultEffect {
        match default_action(info.signal) {
            DefaultAction::Ignore => DefaultEffect::Nothing,
            DefaultAction::Stop => DefaultEffect::Stop,
            DefaultAction::Terminate => DefaultEffect::End(GuestExit::Signal {
                signal: info.signal,
                message: String::new(),
            }),
        }
    }

    fn is_ignored(&self, signal: i32) -> bool {
        match self.actions[signal as usize].handler {
            IGNORE => true,
            DEFAULT => default_action(signal) == DefaultAction::Ignore,
            _ => false,
        }
    }
}

/// What a signal without a handler does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DefaultEffect {
    /// Nothing.
    Nothing,
    /// The process stops until it is continued.
    Stop,
    /// The guest ends.
    End(GuestExit),
}

const fn default_action(signal: i32) -> DefaultAction {
    match signal {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => DefaultAction::Ignore,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => DefaultAction::Stop,
        _ => DefaultAction::Terminate,
    }
}
