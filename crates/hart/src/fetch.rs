//! One instruction of the guest, read by half-words.

use rv_isa::Decoded;

/// The instruction at `pc`, of which `half` reads the half-words: the second one only where there is
/// one. `None` where it doesn't exist.
///
/// # Errors
/// What `half` returns.
pub fn fetch<E>(
    pc: u64,
    mut half: impl FnMut(u64) -> Result<u16, E>,
) -> Result<Option<Decoded>, E> {
    let low = half(pc)?;
    let high = match rv_isa::instruction_len(low) {
        2 => 0,
        _ => half(pc.wrapping_add(2))?,
    };
    Ok(rv_isa::decode(u32::from(high) << 16 | u32::from(low)))
}
