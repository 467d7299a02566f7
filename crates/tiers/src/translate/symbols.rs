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

use super::{HELPER_CONVENTION, RegionTranslator};
use crate::abi::CARRIED;

/// What a name in code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    /// One of the region's own link slots, in its zeroed writable data.
    Slot(u32),
    /// Where the guest module is loaded.
    ModuleBase,
    /// Leaves to whoever interprets, at the guest PC in the extra argument.
    ExitInterpret,
    /// Leaves for a system call.
    ExitSyscall,
    /// Leaves to find the code of the guest PC in the extra argument.
    ExitIndirect,
    /// Does what one floating-point instruction does, in software.
    FloatHelper,
    /// Reads and writes the floating-point environment.
    EnvironmentHelper,
}

/// Cranelift's namespace for names that the cache resolves.
const IMPORTS: u32 = 0;
/// Cranelift's namespace for link slots.
const SLOTS: u32 = 1;

impl Symbol {
    /// The symbols that are resolved by name, by their number in Cranelift's names.
    const NAMED: [(Self, &'static str); 6] = [
        (Self::ModuleBase, "rekindle_vm.module_base"),
        (Self::ExitInterpret, "rekindle_vm.exit_interpret"),
        (Self::ExitSyscall, "rekindle_vm.exit_syscall"),
        (Self::ExitIndirect, "rekindle_vm.exit_indirect"),
        (Self::FloatHelper, "rekindle_vm.float_helper"),
        (Self::EnvironmentHelper, "rekindle_vm.environment_helper"),
    ];

    /// The name under which the cache knows it; `None` for what the artifact itself holds.
    pub(crate) fn name(self) -> Option<&'static str> {
        Self::NAMED
            .iter()
            .find(|(symbol, _)| *symbol == self)
            .map(|(_, name)| *name)
    }

    fn user_name(self) -> UserExternalName {
        if let Self::Slot(slot) = self {
            return UserExternalName {
                namespace: SLOTS,
                index: slot,
            };
        }
        let index = Self::NAMED.iter().position(|(symbol, _)| *symbol == self);
        let index = index
            .and_then(|index| u32::try_from(index).ok())
            .unwrap_or(u32::MAX);
        UserExternalName {
            namespace: IMPORTS,
            index,
        }
    }

    /// The symbol that Cranelift's name stands for.
    pub(crate) fn from_user_name(name: &UserExternalName) -> Option<Self> {
        match name.namespace {
            IMPORTS => Self::NAMED
                .get(name.index as usize)
                .map(|(symbol, _)| *symbol),
            _ => Some(Self::Slot(name.index)),
        }
    }
}

/// The references of one function that exist so far.
#[derive(Default)]
pub(super) struct Imports {
    globals: Vec<(Symbol, GlobalValue)>,
    functions: Vec<(Symbol, FuncRef)>,
    region_signature: Option<SigRef>,
}

/// The signature of regions and of what they jump to.
pub(super) fn region_signature() -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params = vec![AbiParam::new(types::I64); CARRIED.len() + 1];
    signature
}

impl RegionTranslator<'_, '_> {
    /// The value of a symbol.
    pub(super) fn symbol(&mut self, symbol: Symbol) -> Value {
        let known = self
            .imports
            .globals
            .iter()
            .find(|(other, _)| *other == symbol);
        let global = match known {
            Some((_, global)) => *global,
            None => {
                let name = declare(&mut self.builder, symbol);
                let global = self.builder.create_global_value(GlobalValueData::Symbol {
                    name,
                    offset: 0.into(),
                    colocated: false,
                    tls: false,
                });
                self.imports.globals.push((symbol, global));
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
                let function = self
                    .builder
                    .import_function(cranelift_codegen::ir::ExtFuncData {
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
    ExternalName::user(
        builder
            .func
            .declare_imported_user_function(symbol.user_name()),
    )
}
