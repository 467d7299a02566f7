//! The guest as `gdbstub` sees it: registers, memory, breakpoints, and how its threads go on.

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use gdbstub::common::{Pid, Signal, Tid};
use gdbstub::target::ext::auxv::{Auxv, AuxvOps};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadResume, MultiThreadResumeOps, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind,
};
use gdbstub::target::ext::exec_file::{ExecFile, ExecFileOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use rekindle_hart::guest_memory::{GUEST_END, copy_in};
use rekindle_linux::{Change, Process};
use rustix::io::fcntl_dupfd_cloexec;

use super::registers::{Registers, Riscv64};
use super::{Action, Debugger, LOWEST_DESCRIPTOR, Watched, numbers};

/// What Linux says where there is no such memory, and no such thread.
const NO_MEMORY: TargetError<io::Error> = TargetError::Errno(libc::EFAULT as u8);
const NO_THREAD: TargetError<io::Error> = TargetError::Errno(libc::ESRCH as u8);

/// A guest process under a debugger.
pub(super) struct Guest {
    pub(super) process: Arc<Process>,
    pub(super) debugger: Arc<Debugger>,
    /// This process's memory, in which the guest's is. Reads and writes by this door never fault, and
    /// reach what the guest itself may not write.
    memory: File,
    /// The threads of which the debugger has said how they go on.
    told: Vec<i32>,
}

impl Guest {
    /// The guest of this process.
    pub(super) fn new(process: &Arc<Process>, debugger: &Arc<Debugger>) -> io::Result<Self> {
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/self/mem")?;
        Ok(Self {
            process: Arc::clone(process),
            debugger: Arc::clone(debugger),
            memory: File::from(fcntl_dupfd_cloexec(&memory, LOWEST_DESCRIPTOR)?),
            told: Vec::new(),
        })
    }

    fn with_registers<R>(
        &self,
        tid: Tid,
        action: impl FnOnce(&mut Registers) -> R,
    ) -> TargetResult<R, Self> {
        let mut shared = self.debugger.lock();
        let thread = i32::try_from(tid.get())
            .ok()
            .and_then(|number| shared.threads.get_mut(&number));
        let registers = thread.and_then(|thread| thread.registers.as_mut());
        registers.map(action).ok_or(NO_THREAD)
    }

    fn set_action(&mut self, tid: Tid, action: Action, signal: Option<Signal>) {
        let mut shared = self.debugger.lock();
        if let Ok(number) = i32::try_from(tid.get())
            && let Some(thread) = shared.threads.get_mut(&number)
        {
            thread.action = action;
            thread.signal = signal.and_then(numbers::from_gdb);
            self.told.push(number);
        }
    }

    /// How much of `len` bytes at `address` is below the engine.
    fn reach(address: u64, len: usize) -> usize {
        let room = GUEST_END.saturating_sub(address);
        len.min(usize::try_from(room).unwrap_or(usize::MAX))
    }
}

impl Target for Guest {
    type Arch = Riscv64;
    type Error = io::Error;

    fn base_ops(&mut self) -> BaseOps<'_, Riscv64, io::Error> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        Some(self)
    }

    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Guest {
    fn read_registers(&mut self, registers: &mut Registers, tid: Tid) -> TargetResult<(), Self> {
        self.with_registers(tid, |of_thread| registers.clone_from(of_thread))
    }

    fn write_registers(&mut self, registers: &Registers, tid: Tid) -> TargetResult<(), Self> {
        self.with_registers(tid, |of_thread| of_thread.clone_from(registers))
    }

    fn read_addrs(&mut self, address: u64, data: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        let len = Self::reach(address, data.len());
        match self.memory.read_at(&mut data[..len], address) {
            Ok(read) if read > 0 => Ok(read),
            _ => Err(NO_MEMORY),
        }
    }

    fn write_addrs(&mut self, address: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        if Self::reach(address, data.len()) < data.len() {
            return Err(NO_MEMORY);
        }
        let written = self.memory.write_all_at(data, address);
        // It may be code.
        let range = address..address.saturating_add(data.len() as u64);
        self.process.threads.note_change(Change::Mapping(range));
        written.map_err(|_| NO_MEMORY)
    }

    fn list_active_threads(&mut self, add: &mut dyn FnMut(Tid)) -> Result<(), io::Error> {
        let numbers: Vec<i32> = self.debugger.lock().threads.keys().copied().collect();
        numbers.into_iter().filter_map(tid).for_each(add);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

/// A thread's number as `gdbstub` has it.
pub(super) fn tid(number: i32) -> Option<Tid> {
    usize::try_from(number).ok().and_then(NonZeroUsize::new)
}

impl MultiThreadResume for Guest {
    fn resume(&mut self) -> Result<(), io::Error> {
        self.debugger.resume();
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), io::Error> {
        self.told.clear();
        for thread in self.debugger.lock().threads.values_mut() {
            thread.action = Action::Continue;
            thread.signal = None;
        }
        Ok(())
    }

    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        signal: Option<Signal>,
    ) -> Result<(), io::Error> {
        self.set_action(tid, Action::Continue, signal);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Guest {
    fn set_resume_action_step(
        &mut self,
        tid: Tid,
        signal: Option<Signal>,
    ) -> Result<(), io::Error> {
        self.set_action(tid, Action::Step, signal);
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Guest {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), io::Error> {
        for (number, thread) in &mut self.debugger.lock().threads {
            if !self.told.contains(number) {
                thread.action = Action::Stay;
            }
        }
        Ok(())
    }
}

impl Breakpoints for Guest {
    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }

    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Guest {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let mut shared = self.debugger.lock();
        shared.breakpoints_version += 1;
        shared.breakpoints.insert(address);
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let mut shared = self.debugger.lock();
        shared.breakpoints_version += 1;
        Ok(shared.breakpoints.remove(&address))
    }
}

impl HwWatchpoint for Guest {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        const LONGEST: u64 = 4096;
        if kind != WatchKind::Write || len > LONGEST {
            return Ok(false);
        }
        let mut bytes = vec![0; len as usize];
        copy_in(&mut bytes, address).map_err(|_| NO_MEMORY)?;
        let watched = Watched { address, bytes };
        self.debugger.lock().watched.push(watched);
        Ok(true)
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        len: u64,
        _: WatchKind,
    ) -> TargetResult<bool, Self> {
        let watched = &mut self.debugger.lock().watched;
        let is_it = |it: &Watched| it.address == address && it.bytes.len() as u64 == len;
        let found = watched.iter().position(is_it);
        Ok(found.map(|index| watched.remove(index)).is_some())
    }
}

impl Auxv for Guest {
    fn get_auxv(&self, offset: u64, len: usize, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        let vector = self.process.auxiliary_vector();
        Ok(part(vector, offset, len, buffer))
    }
}

impl ExecFile for Guest {
    fn get_exec_file(
        &self,
        _: Option<Pid>,
        offset: u64,
        len: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let path = self.process.program().as_os_str().as_bytes();
        Ok(part(path, offset, len, buffer))
    }
}

/// Copies what the debugger asks for of `whole`; returns how much there was.
fn part(whole: &[u8], offset: u64, len: usize, buffer: &mut [u8]) -> usize {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| whole.get(offset..))
        .unwrap_or_default();
    let len = rest.len().min(len).min(buffer.len());
    buffer[..len].copy_from_slice(&rest[..len]);
    len
}
