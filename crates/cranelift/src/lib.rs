//! A drop-in for `cranelift-jit` whose second run starts warm.

#![forbid(unsafe_code)]

mod key;
