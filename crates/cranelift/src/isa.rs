//! The target that code is compiled for, and the environment that this makes.
//!
//! An embedder's ISA has `is_pic=false`, which `cranelift-jit` demands: its code holds absolute
//! addresses. Cached code must run at any address, so functions are compiled for a twin of that
//! ISA: the same triple, the same flags of the machine, the same shared flags but two.

use cranelift_codegen::CodegenError;
use cranelift_codegen::isa::{Builder, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use cranelift_module::ModuleError;
use rekindle::Environment;

/// Counts changes of what this crate itself puts into code or metadata for the same CLIF.
const FORMAT: u32 = 2;

/// The position-independent twin of an ISA.
///
/// # Errors
/// If Cranelift refuses the flags, which it accepted once.
pub(crate) fn twin(isa: &dyn TargetIsa) -> Result<OwnedTargetIsa, ModuleError> {
    let mut flags = settings::builder();
    for value in isa.flags().iter() {
        let set = match value.name {
            "is_pic" => flags.set("is_pic", "true"),
            // A routine of the host may be anywhere.
            "use_colocated_libcalls" => flags.set("use_colocated_libcalls", "false"),
            name => flags.set(name, &value.value_string()),
        };
        set.map_err(flag_error)?;
    }
    let isa = Builder::from_target_isa(isa).finish(settings::Flags::new(flags));
    isa.map_err(|error: CodegenError| ModuleError::Compilation(error))
}

fn flag_error(error: SetError) -> ModuleError {
    ModuleError::Flag(error)
}

/// Everything but the function itself that compiled code depends on.
pub(crate) fn environment(isa: &dyn TargetIsa) -> Environment {
    let mut machine = String::new();
    for value in isa.isa_flags() {
        machine.push_str(&value.to_string());
        machine.push(' ');
    }
    let mut shared = String::new();
    for value in isa.flags().iter() {
        shared.push_str(&value.to_string());
        shared.push(' ');
    }
    Environment::builder("cranelift-jit")
        .field("cranelift", cranelift_codegen::VERSION)
        .field("rekindle-cranelift", env!("CARGO_PKG_VERSION"))
        .field("format", FORMAT)
        .field("target", isa.triple())
        .field("machine", machine)
        .field("shared", shared)
        .field("wasmtime-unwinder", cfg!(feature = "wasmtime-unwinder"))
        .build()
}
