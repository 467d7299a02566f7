//! What differs between host architectures: assembly text and register indices, without `unsafe`.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!(
    "the machine runs on x86-64 Linux hosts; see crates/hart/src/arch for what a port needs"
);

pub(crate) mod x86_64;
