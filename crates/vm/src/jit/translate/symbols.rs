//! What compiled code refers to by name.
//!
//! No host address stands in code: names are resolved when code is placed in a process, through
//! cells of the global offset table. The cell of the module's base isn't an address of ours at all,
//! but the number itself.

use cranelift_codegen::ir::{
    AbiParam, ExternalName, FuncRef, GlobalValue, GlobalValueData, InstBuilder, SigRef, Signature,
    UserExternalName, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;

use super::{HELPER_CONVENTION, Translator};
use crate::jit::flow::CARRIED;

/// What a name in code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Symbol {
    /// The region's own link slots, in its zeroed writable data.
    Slots,
    /// Where the guest module is loaded.
    ModuleBase,
    /// Leaves to whoever interprets, at the guest PC in the extra argument.
    ExitInterpret,
    /// Leaves for a system call.
    ExitSyscall,
    /// Leaves to find the code of the guest PC in the extra argument.
    ExitIndirect,
    /// The flag by which the engine asks that the guest stop at the next opportunity.
    Attention,
    /// Does what one floating-point instruction does, in software.
    FloatHelper,
    /// Reads and writes the floating-point environment.
    EnvironmentHelper,
}

impl Symbol {
    /// Every symbol, by number.
    pub(crate) const ALL: [Self; 8] = [
        Self::Slots,
        Self::ModuleBase,
        Self::ExitInterpret,
        Self::ExitSyscall,
        Self::ExitIndirect,
        Self::Attention,
        Self::FloatHelper,
        Self::EnvironmentHelper,
    ];

    /// The name under which the cache knows it; `None` for a section of the artifact.
    pub(crate) fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Slots => return None,
            Self::ModuleBase => "rekindle_vm.module_base",
            Self::ExitInterpret => "rekindle_vm.exit_interpret",
            Self::ExitSyscall => "rekindle_vm.exit_syscall",
            Self::ExitIndirect => "rekindle_vm.exit_indirect",
            Self::Attention => "rekindle_vm.attention",
            Self::FloatHelper => "rekindle_vm.float_helper",
            Self::EnvironmentHelper => "rekindle_vm.environment_helper",
        })
    }

    /// The symbol that Cranelift's name stands for.
    pub(crate) fn from_user_name(name: &UserExternalName) -> Option<Self> {
        Self::ALL.get(name.index as usize).copied()
    }
}

/// The references of one function that exist so far.
#[derive(Default)]
pub(super) struct Imports {
    globals: Vec<(Symbol, i64, GlobalValue)>,
    functions: Vec<(Symbol, FuncRef)>,
    region_signature: Option<SigRef>,
}

/// The signature of regions and of what they jump to.
pub(super) fn region_signature() -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params = vec![AbiParam::new(types::I64); CARRIED.len() + 1];
    signature
}

impl Translator<'_, '_> {
    /// The value of a symbol, plus an offset for the artifact's own sections.
    pub(super) fn symbol(&mut self, symbol: Symbol, offset: i64) -> Value {
        let known = self.imports.globals.iter().find(|(s, o, _)| (*s, *o) == (symbol, offset));
        let global = match known {
            Some((_, _, global)) => *global,
            None => {
                let name = declare(&mut self.builder, symbol);
                let global = self.builder.create_global_value(GlobalValueData::Symbol {
                    name,
                    offset: offset.into(),
                    colocated: symbol.name().is_none(),
                    tls: false,
                });
                self.imports.globals.push((symbol, offset, global));
                global
            }
        };
        self.builder.ins().symbol_value(types::I64, global)
    }

    /// Calls a helper: integers in, one integer out. The state's address goes first.
    pub(super) fn call_helper(&mut self, symbol: Symbol, arguments: &[Value]) -> Value {
        let known = self.imports.functions.iter().find(|(s, _)| *s == symbol);
        let function = match known {
            Some((_, function)) => *function,
            None => {
                let mut signature = Signature::new(HELPER_CONVENTION);
                signature.params = vec![AbiParam::new(types::I64); arguments.len() + 1];
                signature.returns = vec![AbiParam::new(types::I64)];
                let signature = self.builder.import_signature(signature);
                let name = declare(&mut self.builder, symbol);
                let function = self.builder.import_function(cranelift_codegen::ir::ExtFuncData {
                    name,
                    signature,
                    colocated: false,
                    patchable: false,
                });
                self.imports.functions.push((symbol, function));
                function
            }
        };
        let mut all = vec![self.state()];
        all.extend_from_slice(arguments);
        let call = self.builder.ins().call(function, &all);
        self.builder.inst_results(call)[0]
    }

    /// The signature of regions, for jumps.
    pub(super) fn region_signature(&mut self) -> SigRef {
        match self.imports.region_signature {
            Some(signature) => signature,
            None => {
                let signature = self.builder.import_signature(region_signature());
                self.imports.region_signature = Some(signature);
                signature
            }
        }
    }
}

fn declare(builder: &mut FunctionBuilder<'_>, symbol: Symbol) -> ExternalName {
    let name = UserExternalName { namespace: 0, index: symbol as u32 };
    ExternalName::user(builder.func.declare_imported_user_function(name))
}
