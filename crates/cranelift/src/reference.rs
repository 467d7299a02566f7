//! What a cell's name stands for: the names that artifacts and images carry.
//!
//! A linkage name starts with `:`, so none can be taken for one of the others, whatever an
//! embedder calls its functions.

use cranelift_codegen::ir::LibCall;
use cranelift_module::{DataId, FuncId, ModuleDeclarations};

/// What code refers to through a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// A function or data object by its linkage name.
    Named(&'a str),
    /// A function without a name.
    Function(FuncId),
    /// A data object without a name.
    Data(DataId),
    /// A routine that Cranelift calls on its own account.
    LibCall(LibCall),
}

impl<'a> Reference<'a> {
    /// What refers to a function.
    pub(crate) fn of_function(declarations: &'a ModuleDeclarations, id: FuncId) -> Self {
        match &declarations.get_function_decl(id).name {
            Some(name) => Self::Named(name),
            None => Self::Function(id),
        }
    }

    /// What refers to a data object.
    pub(crate) fn of_data(declarations: &'a ModuleDeclarations, id: DataId) -> Self {
        match &declarations.get_data_decl(id).name {
            Some(name) => Self::Named(name),
            None => Self::Data(id),
        }
    }

    /// The reference as a text. A name does without the formatter, which takes longer than the rest
    /// of a relocation.
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::Named(name) => [":", name].concat(),
            Self::Function(id) => format!("function#{}", id.as_u32()),
            Self::Data(id) => format!("data#{}", id.as_u32()),
            Self::LibCall(libcall) => format!("libcall#{libcall}"),
        }
    }

    /// Reads what [`Self::to_text`] gave.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(':') {
            return Some(Self::Named(name));
        }
        let (kind, rest) = text.split_once('#')?;
        Some(match kind {
            "function" => Self::Function(FuncId::from_u32(rest.parse().ok()?)),
            "data" => Self::Data(DataId::from_u32(rest.parse().ok()?)),
            "libcall" => Self::LibCall(rest.parse().ok()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Reference;
    use cranelift_codegen::ir::LibCall;
    use cranelift_module::{DataId, FuncId};

    #[test]
    fn references_read_back() {
        for reference in [
            Reference::Named(""),
            Reference::Named("function#1"),
            Reference::Named(":x"),
            Reference::Function(FuncId::from_u32(7)),
            Reference::Data(DataId::from_u32(0)),
            Reference::LibCall(LibCall::Memcpy),
            Reference::LibCall(LibCall::Probestack),
            Reference::LibCall(LibCall::X86Pshufb),
        ] {
            let text = reference.to_text();
            assert_eq!(Reference::parse(&text), Some(reference), "{text}");
        }
        for text in ["", "x", "function#", "data#-1", "libcall#None"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
