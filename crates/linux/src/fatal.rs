//! What is told to a person when a signal kills the guest.

use std::fmt::Write;

use rekindle_hart::GuestState;
use rv_isa::XReg;

use crate::process::Process;

/// `what` happened at the guest PC: where that is, and the registers.
///
/// `registers_may_lag` says that compiled code stopped, which keeps in the host's registers what it
/// hasn't stored yet.
pub fn report(
    process: &Process,
    state: &GuestState,
    what: &str,
    address: Option<u64>,
    registers_may_lag: bool,
) -> String {
    let mut text = format!("{what} at guest pc {}", process.describe(state.pc));
    // Writing to a string can't fail.
    if let Some(address) = address {
        let _ = write!(text, ", address {address:#x}");
    }
    let _ = write!(
        text,
        "\n  called from {}",
        process.describe(state.x[XReg::RA.index()])
    );
    for reg in (1..32).map(XReg::new) {
        let separator = if reg.index() % 4 == 1 { "\n " } else { "" };
        let value = state.x[reg.index()];
        let _ = write!(text, "{separator} {:>3} {value:016x}", reg.to_string());
    }
    if registers_may_lag {
        text.push_str(
            "\n  (as last stored: code compiled without --exact-faults stores them late)",
        );
    }
    text
}
