//! What a cell's name stands for: the names that artifacts and images carry.
//!
//! A linkage name says what it was declared as when the code that refers to it was compiled: code that
//! was made for a function of one parameter must not call one of two, and what was to be defined in the
//! module must not be found in the host. No text of one kind can be taken for one of another, whatever
//! an embedder calls its functions.

use cranelift_codegen::ir::LibCall;
use cranelift_module::{DataId, FuncId, Linkage, ModuleDeclarations};

use crate::names::signature_digest;

/// What code refers to through a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// A function or data object by its linkage name.
    Named(Named<'a>),
    /// A function without a name.
    Function(FuncId),
    /// A data object without a name.
    Data(DataId),
    /// A routine that Cranelift calls on its own account.
    LibCall(LibCall),
    /// What lies in the program or a shared library: its build id in hexadecimal, and the distance from its
    /// base.
    Object(&'a str, u64),
}

/// A linkage name, and what it was declared as when it was referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

/// What a name is declared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A function, with the digest of its signature.
    Function { signature: u64 },
    /// A data object.
    Data { writable: bool },
}

/// Where what a name stands for may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the module or in the host.
    Anywhere,
    /// The same; if it is in neither, it is null.
    AnywhereOrNowhere,
    /// In the module.
    Module,
}

impl Place {
    pub(crate) fn of(linkage: Linkage) -> Self {
        match linkage {
            Linkage::Import => Self::Anywhere,
            Linkage::Preemptible => Self::AnywhereOrNowhere,
            Linkage::Local | Linkage::Hidden | Linkage::Export => Self::Module,
        }
    }

    fn letter(self) -> u8 {
        match self {
            Self::Anywhere => b'a',
            Self::AnywhereOrNowhere => b'n',
            Self::Module => b'm',
        }
    }

    fn of_letter(letter: u8) -> Option<Self> {
        match letter {
            b'a' => Some(Self::Anywhere),
            b'n' => Some(Self::AnywhereOrNowhere),
            b'm' => Some(Self::Module),
            _ => None,
        }
    }
}

impl Named<'_> {
    /// Whether code that was made for this may be found where the name is declared as `now`: the same,
    /// or an import that the module defines.
    pub(crate) fn is(&self, now: &Named<'_>) -> bool {
        let is_found = (self.place, now.place) == (Place::Anywhere, Place::Module);
        self.kind == now.kind && (self.place == now.place || is_found)
    }

    /// Whether what was declared as this can be declared as `now` once more was declared.
    pub(crate) fn may_have_become(&self, now: &Named<'_>) -> bool {
        let is_kind = match (self.kind, now.kind) {
            (Kind::Data { writable }, Kind::Data { writable: now }) => now || !writable,
            (kind, now) => kind == now,
        };
        is_kind && (self.place == now.place || now.place != Place::Anywhere)
    }

    /// What starts the text: two letters and, of a function, its signature.
    fn to_text(self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(19 + self.name.len());
        let mut push = |letter: u8| text.push(char::from(letter));
        match self.kind {
            Kind::Function { .. } => push(b'f'),
            Kind::Data { writable: false } => push(b'c'),
            Kind::Data { writable: true } => push(b'w'),
        }
        push(self.place.letter());
        if let Kind::Function { signature } = self.kind {
            for digit in (0..16).rev() {
                push(DIGITS[(signature >> (4 * digit) & 15) as usize]);
            }
        }
        push(b':');
        text.push_str(self.name);
        text
    }
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let ([kind, place], rest) = text.as_bytes().split_first_chunk()?;
        let place = Place::of_letter(*place)?;
        let (kind, rest) = match kind {
            b'f' => {
                let (digits, rest) = rest.split_first_chunk()?;
                let signature = from_hex(digits)?;
                (Kind::Function { signature }, rest)
            }
            b'c' => (Kind::Data { writable: false }, rest),
            b'w' => (Kind::Data { writable: true }, rest),
            _ => return None,
        };
        let (b':', rest) = rest.split_first()? else {
            return None;
        };
        let name = text.get(text.len() - rest.len()..)?;
        Some(Self { name, kind, place })
    }
}

/// Reads a number of 16 digits. One is read for each name at each look-up.
fn from_hex(digits: &[u8; 16]) -> Option<u64> {
    /// What each byte stands for as a digit.
    const VALUES: [u8; 256] = {
        let mut values = [NONE; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    const NONE: u8 = 16;
    let (mut number, mut all) = (0, 0);
    for digit in digits {
        let value = VALUES[usize::from(*digit)];
        all |= value;
        number = number << 4 | u64::from(value);
    }
    (all & NONE == 0).then_some(number)
}

impl<'a> Reference<'a> {
    /// What refers to a function.
    pub(crate) fn of_function(declarations: &'a ModuleDeclarations, id: FuncId) -> Self {
        let decl = declarations.get_function_decl(id);
        match &decl.name {
            Some(name) => Self::Named(Named {
                name,
                kind: Kind::Function {
                    signature: signature_digest(&decl.signature),
                },
                place: Place::of(decl.linkage),
            }),
            None => Self::Function(id),
        }
    }

    /// What refers to a data object.
    pub(crate) fn of_data(declarations: &'a ModuleDeclarations, id: DataId) -> Self {
        let decl = declarations.get_data_decl(id);
        match &decl.name {
            Some(name) => Self::Named(Named {
                name,
                kind: Kind::Data {
                    writable: decl.writable,
                },
                place: Place::of(decl.linkage),
            }),
            None => Self::Data(id),
        }
    }

    /// The reference as a text. A name does without the formatter, which takes longer than the rest
    /// of a relocation.
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::Named(named) => named.to_text(),
            Self::Function(id) => format!("function#{}", id.as_u32()),
            Self::Data(id) => format!("data#{}", id.as_u32()),
            Self::LibCall(libcall) => format!("libcall#{libcall}"),
            Self::Object(build_id, offset) => format!("object#{build_id}+{offset:x}"),
        }
    }

    /// The name in a text that [`Self::to_text`] gave; the text, if there is none.
    pub(crate) fn name_in(text: &str) -> String {
        match Named::parse(text) {
            Some(named) => named.name.to_owned(),
            None => text.to_owned(),
        }
    }

    /// Reads what [`Self::to_text`] gave.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if let Some(named) = Named::parse(text) {
            return Some(Self::Named(named));
        }
        let (kind, rest) = text.split_once('#')?;
        Some(match kind {
            "function" => Self::Function(FuncId::from_u32(rest.parse().ok()?)),
            "data" => Self::Data(DataId::from_u32(rest.parse().ok()?)),
            "libcall" => Self::LibCall(rest.parse().ok()?),
            "object" => {
                let (build_id, offset) = rest.split_once('+')?;
                Self::Object(build_id, u64::from_str_radix(offset, 16).ok()?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Named, Place, Reference};
    use cranelift_codegen::ir::LibCall;
    use cranelift_module::{DataId, FuncId};

    const FUNCTION: Named<'_> = Named {
        name: "f",
        kind: Kind::Function { signature: 7 },
        place: Place::Module,
    };
    const DATA: Named<'_> = Named {
        kind: Kind::Data { writable: false },
        ..FUNCTION
    };

    #[test]
    fn references_read_back() {
        let signature = u64::MAX - 1;
        let kinds = [
            Kind::Function { signature: 0 },
            Kind::Function { signature },
            Kind::Data { writable: false },
            Kind::Data { writable: true },
        ];
        let mut all = vec![
            Reference::Function(FuncId::from_u32(7)),
            Reference::Data(DataId::from_u32(0)),
            Reference::LibCall(LibCall::Memcpy),
            Reference::LibCall(LibCall::Probestack),
            Reference::LibCall(LibCall::X86Pshufb),
            Reference::Object("0123abcd", 0),
            Reference::Object("0123abcd", u64::MAX),
        ];
        for name in ["", "function#1", ":x", "fm0000000000000007:f", "ä"] {
            for kind in kinds {
                for place in [Place::Anywhere, Place::AnywhereOrNowhere, Place::Module] {
                    all.push(Reference::Named(Named { name, kind, place }));
                }
            }
        }
        let texts: std::collections::HashSet<String> = all.iter().map(|r| r.to_text()).collect();
        assert_eq!(texts.len(), all.len());
        for reference in all {
            let text = reference.to_text();
            assert_eq!(Reference::parse(&text), Some(reference), "{text}");
        }
        for text in [
            "",
            "x",
            ":f",
            "cx:d",
            "fm:f",
            "fm000000000000000ä",
            "fm000000000000000A:f",
            "fm000000000000000g:f",
            "fm000000000000000\u{f0}:f",
            "cm",
            "wm#",
            "function#",
            "data#-1",
            "libcall#None",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_name_was_made_for_is_told_from_what_it_is_now() {
        let imported = |named| Named {
            place: Place::Anywhere,
            ..named
        };
        let optional = |named| Named {
            place: Place::AnywhereOrNowhere,
            ..named
        };
        let other = Named {
            kind: Kind::Function { signature: 8 },
            ..FUNCTION
        };
        let writable = Named {
            kind: Kind::Data { writable: true },
            ..DATA
        };
        for (made_for, now, is, may_become) in [
            (FUNCTION, FUNCTION, true, true),
            (FUNCTION, other, false, false),
            (FUNCTION, DATA, false, false),
            (FUNCTION, imported(FUNCTION), false, false),
            (FUNCTION, optional(FUNCTION), false, true),
            (imported(FUNCTION), FUNCTION, true, true),
            (imported(FUNCTION), imported(other), false, false),
            (imported(FUNCTION), optional(FUNCTION), false, true),
            (optional(FUNCTION), imported(FUNCTION), false, false),
            (optional(FUNCTION), FUNCTION, false, true),
            (DATA, writable, false, true),
            (writable, DATA, false, false),
        ] {
            assert_eq!(made_for.is(&now), is, "{made_for:?} {now:?}");
            assert_eq!(
                made_for.may_have_become(&now),
                may_become,
                "{made_for:?} {now:?}"
            );
        }
    }
}
