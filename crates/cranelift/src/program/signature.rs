//! Signatures as words, so that the declarations of a program can be kept and read back.

use cranelift_codegen::ir::{AbiParam, ArgumentExtension, ArgumentPurpose, Signature, Type, types};
use cranelift_codegen::isa::CallConv;

/// Kinds of lane.
const INT: u32 = 0;
const FLOAT: u32 = 1;
const INVALID: u32 = 2;

/// Adds a signature.
pub(super) fn write(signature: &Signature, out: &mut Vec<u32>) {
    let Signature {
        params,
        returns,
        call_conv,
    } = signature;
    let name = call_conv.to_string();
    out.push(name.len() as u32);
    out.extend(name.bytes().map(u32::from));
    for list in [params, returns] {
        out.push(list.len() as u32);
        for AbiParam {
            value_type,
            purpose,
            extension,
        } in list
        {
            let (purpose, size) = match purpose {
                ArgumentPurpose::Normal => (0, 0),
                ArgumentPurpose::StructArgument(size) => (1, *size),
                ArgumentPurpose::StructReturn => (2, 0),
                ArgumentPurpose::VMContext => (3, 0),
            };
            let extension = match extension {
                ArgumentExtension::None => 0,
                ArgumentExtension::Uext => 1,
                ArgumentExtension::Sext => 2,
            };
            out.extend([type_word(*value_type), purpose << 8 | extension, size]);
        }
    }
}

/// Takes a signature from the front of some words.
pub(super) fn read(words: &mut impl Iterator<Item = u32>) -> Option<Signature> {
    let len = words.next()?;
    let name: String = (0..len)
        .map(|_| words.next().and_then(char::from_u32))
        .collect::<Option<_>>()?;
    let mut signature = Signature::new(name.parse::<CallConv>().ok()?);
    for list in [&mut signature.params, &mut signature.returns] {
        for _ in 0..words.next()? {
            let value_type = type_of(words.next()?)?;
            let (kind, size) = (words.next()?, words.next()?);
            let mut param = AbiParam::new(value_type);
            param.purpose = match kind >> 8 {
                0 => ArgumentPurpose::Normal,
                1 => ArgumentPurpose::StructArgument(size),
                2 => ArgumentPurpose::StructReturn,
                3 => ArgumentPurpose::VMContext,
                _ => return None,
            };
            param.extension = match kind & 0xff {
                0 => ArgumentExtension::None,
                1 => ArgumentExtension::Uext,
                2 => ArgumentExtension::Sext,
                _ => return None,
            };
            list.push(param);
        }
    }
    Some(signature)
}

/// Kind, whether the number of lanes is scaled, its binary logarithm, and the bits of a lane.
fn type_word(ty: Type) -> u32 {
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

fn type_of(word: u32) -> Option<Type> {
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

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, types};
    use cranelift_codegen::isa::CallConv;

    use super::{read, type_of, type_word, write};

    #[test]
    fn types_read_back() {
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
        for scalar in scalars {
            for lanes in [1, 2, 4, 8, 16] {
                let Some(ty) = scalar.by(lanes) else { continue };
                assert_eq!(type_of(type_word(ty)), Some(ty));
                if lanes == 1 {
                    continue;
                }
                if let Some(ty) = ty.vector_to_dynamic() {
                    assert_eq!(type_of(type_word(ty)), Some(ty));
                }
            }
        }
        assert_eq!(type_of(type_word(types::INVALID)), Some(types::INVALID));
    }

    #[test]
    fn signatures_read_back() {
        let conventions = [CallConv::SystemV, CallConv::Tail, CallConv::Fast];
        for convention in conventions {
            let mut signature = Signature::new(convention);
            signature.params.push(AbiParam::new(types::I8).sext());
            signature.params.push(AbiParam::new(types::I16).uext());
            let purpose = ArgumentPurpose::StructArgument(24);
            let param = AbiParam::special(types::I64, purpose);
            signature.params.push(param);
            let param = AbiParam::special(types::I64, ArgumentPurpose::VMContext);
            signature.params.push(param);
            signature.returns.push(AbiParam::new(types::F64X2));
            let mut words = Vec::new();
            write(&signature, &mut words);
            let len = words.len();
            assert_eq!(read(&mut words.iter().copied()), Some(signature));
            assert_eq!(read(&mut words[..len - 1].iter().copied()), None);
        }
    }
}
