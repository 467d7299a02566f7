//! The cache as a front sees it, with real machine code.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod calls;
mod corrections;
mod cranelift;
mod damage;
mod folders;
mod housekeeping;
mod intact;
mod many;
mod processes;
mod round_trip;
mod support;
mod tools;
