//! The debugger's side: connections, and GDB's remote protocol.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use gdbstub::common::Signal;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use gdbstub::target::ext::breakpoints::WatchKind;
use rekindle_linux::{GuestExit, Process};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use rustix::io::{Errno, fcntl_dupfd_cloexec, read};

use super::target::{Guest, tid};
use super::{Debugger, LOWEST_DESCRIPTOR, Reason, numbers};

type Machine<'a> = GdbStubStateMachine<'a, Guest, Link>;
type Stop = MultiThreadStopReason<u64>;

/// Answers one debugger after the other until the guest has ended.
pub(super) fn serve(
    listener: &TcpListener,
    process: &Arc<Process>,
    debugger: &Arc<Debugger>,
) -> io::Result<()> {
    let mut guest = Guest::new(process, debugger)?;
    loop {
        wait_readable(listener, debugger)?;
        if debugger.lock().exit.is_some() {
            return Ok(());
        }
        let (stream, _) = match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            accepted => accepted?,
        };
        debugger.lock().attached = true;
        debugger.stop_all(process);
        match session(Link::new(&stream)?, &mut guest) {
            Ok(DisconnectReason::Disconnect) => {}
            Ok(DisconnectReason::Kill) => {
                // Everyone knows who killed it.
                process.end(GuestExit::Signal {
                    signal: libc::SIGKILL,
                    message: String::new(),
                });
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(error) => tracing::warn!(%error, "the debugger's connection is closed"),
        }
        debugger.detach();
    }
}

/// Waits until `source` or the debugger's own descriptor can be read; returns which.
fn wait_readable(source: &impl AsFd, debugger: &Debugger) -> io::Result<(bool, bool)> {
    let mut descriptors = [
        PollFd::new(source, PollFlags::IN),
        PollFd::new(&debugger.wake, PollFlags::IN),
    ];
    match poll(&mut descriptors, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let [source, woken] = descriptors.map(|it| !it.revents().is_empty());
    if woken {
        let mut count = [0; 8];
        // Whatever it says, it is empty now.
        let _ = read(&debugger.wake, &mut count);
    }
    Ok((source, woken))
}

/// Talks to one debugger. The guest stands still when this starts.
fn session(link: Link, guest: &mut Guest) -> io::Result<DisconnectReason> {
    let (process, debugger) = (Arc::clone(&guest.process), Arc::clone(&guest.debugger));
    let stub = GdbStub::new(link);
    let mut machine = stub.run_state_machine(guest).map_err(io::Error::other)?;
    loop {
        machine = match machine {
            GdbStubStateMachine::Idle(mut idle) => {
                let Some(byte) = idle.borrow_conn().receive()? else {
                    return Ok(DisconnectReason::Disconnect);
                };
                idle.incoming_data(guest, byte).map_err(io::Error::other)?
            }
            GdbStubStateMachine::Running(mut running) => {
                if let Some(stop) = take_stop(&debugger, &process) {
                    running.report_stop(guest, stop).map_err(io::Error::other)?
                } else {
                    let (readable, _) = match running.borrow_conn().has_received() {
                        true => (true, false),
                        false => wait_readable(&running.borrow_conn().stream, &debugger)?,
                    };
                    match readable.then(|| running.borrow_conn().receive()) {
                        None => Machine::from(running),
                        Some(received) => {
                            let Some(byte) = received? else {
                                return Ok(DisconnectReason::Disconnect);
                            };
                            let next = running.incoming_data(guest, byte);
                            next.map_err(io::Error::other)?
                        }
                    }
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(interrupted) => {
                debugger.stop_all(&process);
                let stop = interruption(&debugger);
                let next = interrupted.interrupt_handled(guest, Some(stop));
                next.map_err(io::Error::other)?
            }
            GdbStubStateMachine::Disconnected(disconnected) => {
                return Ok(disconnected.get_reason());
            }
        };
    }
}

/// What the debugger is to be told, if the guest has stopped or ended; all of it stands still then.
fn take_stop(debugger: &Debugger, process: &Process) -> Option<Stop> {
    let (event, exit) = {
        let mut shared = debugger.lock();
        (shared.event.take(), shared.exit.clone())
    };
    match exit {
        Some(GuestExit::Code(code)) => return Some(Stop::Exited(code as u8)),
        Some(GuestExit::Signal { signal, .. }) => {
            return Some(Stop::Terminated(numbers::to_gdb(signal)));
        }
        None => {}
    }
    let (number, reason) = event?;
    debugger.stop_all(process);
    let tid = tid(number)?;
    let signal = match reason {
        Reason::Breakpoint => return Some(Stop::SwBreak(tid)),
        Reason::Watch(addr) => {
            let kind = WatchKind::Write;
            return Some(Stop::Watch { tid, kind, addr });
        }
        Reason::Step => Signal::SIGTRAP,
        Reason::Signal(signal) => numbers::to_gdb(signal),
        Reason::NothingRuns => Signal::SIGZERO,
    };
    Some(Stop::SignalWithThread { tid, signal })
}

/// The stop that the debugger's user asked for, of any thread.
fn interruption(debugger: &Debugger) -> Stop {
    // What was about to be told is found again when its thread goes on.
    let mut shared = debugger.lock();
    shared.event = None;
    let first = shared.threads.keys().next().copied().and_then(tid);
    let signal = Signal::SIGINT;
    match first {
        Some(tid) => Stop::SignalWithThread { tid, signal },
        None => Stop::Signal(signal),
    }
}

/// A connection, buffered in both directions.
struct Link {
    stream: TcpStream,
    received: io::BufReader<TcpStream>,
    to_send: Vec<u8>,
}

impl Link {
    fn new(stream: &TcpStream) -> io::Result<Self> {
        let stream = TcpStream::from(fcntl_dupfd_cloexec(stream, LOWEST_DESCRIPTOR)?);
        stream.set_nodelay(true)?;
        let reader = TcpStream::from(fcntl_dupfd_cloexec(&stream, LOWEST_DESCRIPTOR)?);
        Ok(Self {
            stream,
            received: io::BufReader::new(reader),
            to_send: Vec::new(),
        })
    }

    fn has_received(&self) -> bool {
        !self.received.buffer().is_empty()
    }

    /// The next byte, `None` where the debugger has left.
    fn receive(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self.received.read_exact(&mut byte) {
            Ok(()) => Ok(Some(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Connection for Link {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.to_send.push(byte);
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to_send.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.to_send);
        (&self.stream).write_all(&bytes)
    }
}
