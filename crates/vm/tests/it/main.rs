//! Real guests against an independent judge: programs built by the Debian cross compiler against the
//! real glibc and libstdc++ behave here as they do under `qemu-riscv64`.

mod harness;
mod programs;

/// Not a test: the process in which a guest runs. See `harness.rs`.
#[test]
fn guest_process() {
    harness::become_guest();
}
