//! Signatures as words, so that they can be kept, read back, and hashed.

use cranelift_codegen::ir::{AbiParam, ArgumentExtension, ArgumentPurpose, Signature};
use cranelift_codegen::isa::CallConv;

use crate::types::{type_of, type_word};

/// Adds a signature.
pub(crate) fn write(signature: &Signature, out: &mut Vec<u32>) {
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
pub(crate) fn read(words: &mut impl Iterator<Item = u32>) -> Option<Signature> {
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

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, types};
    use cranelift_codegen::isa::CallConv;

    use super::{read, write};

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
