//! Cranelift's types as words that can be kept and read back.

use cranelift_codegen::ir::{Type, types};

/// Kinds of lane.
const INT: u32 = 0;
const FLOAT: u32 = 1;
const INVALID: u32 = 2;

/// Kind, whether the number of lanes is scaled, its binary logarithm, and the bits of a lane.
pub(crate) fn type_word(ty: Type) -> u32 {
    let (ty, is_dynamic) = match ty.is_dynamic_vector() {
        true => (ty.dynamic_to_vector().unwrap_or(types::INVALID), 1),
        false => (ty, 0),
    };
    let lane = ty.lane_type();
    let kind = match lane {
        types::INVALID => return INVALID << 28,
        lane if lane.is_float() => FLOAT,
        _ => INT,
    };
    kind << 28 | is_dynamic << 24 | ty.lane_count().trailing_zeros() << 16 | lane.bits()
}

/// The type of a word of [`type_word`].
pub(crate) fn type_of(word: u32) -> Option<Type> {
    let bits = word & 0xffff;
    let lane = match (word >> 28, bits) {
        (INVALID, _) => return Some(types::INVALID),
        (INT, bits) => Type::int(bits as u16)?,
        (FLOAT, 16) => types::F16,
        (FLOAT, 32) => types::F32,
        (FLOAT, 64) => types::F64,
        (FLOAT, 128) => types::F128,
        _ => return None,
    };
    let ty = lane.by(1_u32.checked_shl(word >> 16 & 0xff)?)?;
    match word >> 24 & 0xf {
        0 => Some(ty),
        _ if ty.is_vector() => ty.vector_to_dynamic(),
        _ => None,
    }
}

/// All types that a program can make, for tests.
#[cfg(test)]
pub(crate) fn all_types() -> Vec<Type> {
    let scalars = [
        types::I8,
        types::I16,
        types::I32,
        types::I64,
        types::I128,
        types::F16,
        types::F32,
        types::F64,
        types::F128,
    ];
    let fixed = scalars
        .into_iter()
        .flat_map(|scalar| [1, 2, 4, 8, 16].map(|lanes| scalar.by(lanes)));
    let mut all: Vec<Type> = fixed.flatten().collect();
    let vectors = all.iter().filter(|ty| ty.is_vector());
    let dynamic: Vec<Type> = vectors.filter_map(|ty| ty.vector_to_dynamic()).collect();
    all.extend(dynamic);
    all.push(types::INVALID);
    all
}

#[cfg(test)]
mod tests {
    use super::{all_types, type_of, type_word};

    #[test]
    fn types_read_back() {
        for ty in all_types() {
            assert_eq!(type_of(type_word(ty)), Some(ty));
        }
    }
}
