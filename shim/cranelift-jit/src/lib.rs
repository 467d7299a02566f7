//! `cranelift-jit` by name, `rekindle-cranelift` by nature.
//!
//! Configuration comes from the environment: `REKINDLE_CACHE_DIR`, `REKINDLE_CACHE_SIZE`,
//! `REKINDLE_CACHE`, `REKINDLE_VERIFY` and `REKINDLE_LOG`.

#![forbid(unsafe_code)]

pub use rekindle_cranelift::*;
