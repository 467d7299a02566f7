//! What differs between host architectures: assembly text, without `unsafe`.

pub(crate) mod x86_64;
