//! The target that code is compiled for, and the environment that this makes.
//!
//! An embedder's ISA has `is_pic=false`, which `cranelift-jit` demands: its code holds absolute
//! addresses. Cached code must run at any address, so functions are compiled for a twin of that
//! ISA: the same triple, the same flags of the machine, the same shared flags but two.

use std::fmt::Write;

use cranelift_codegen::CodegenError;
use cranelift_codegen::isa::{Builder, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use cranelift_module::ModuleError;
use rekindle::{Environment, EnvironmentBuilder};

/// Digest of this crate's sources: of what it puts into keys, code and metadata for the same CLIF. Empty
/// where they couldn't be seen; the environment then holds a mark of the whole build.
const SOURCES: &str = env!("REKINDLE_CRANELIFT_SOURCES");

/// The position-independent twin of an ISA.
///
/// # Errors
/// If Cranelift refuses the flags, which it accepted once.
pub(crate) fn twin(isa: &dyn TargetIsa) -> Result<OwnedTargetIsa, ModuleError> {
    let mut flags = settings::builder();
    for value in isa.flags().iter() {
        let set = match twins_value(value.name) {
            Some(own) => flags.set(value.name, own),
            None => flags.set(value.name, &value.value_string()),
        };
        set.map_err(flag_error)?;
    }
    let isa = Builder::from_target_isa(isa).finish(settings::Flags::new(flags));
    isa.map_err(|error: CodegenError| ModuleError::Compilation(error))
}

/// The value of a shared flag in which a twin may differ.
fn twins_value(flag: &str) -> Option<&'static str> {
    match flag {
        "is_pic" => Some("true"),
        // A routine of the host may be anywhere.
        "use_colocated_libcalls" => Some("false"),
        _ => None,
    }
}

fn flag_error(error: SetError) -> ModuleError {
    ModuleError::Flag(error)
}

/// Everything but the function itself that code depends on that is compiled for an ISA's twin. The
/// twin itself isn't needed, and a warm start makes none. `own` are the embedder's own fields.
pub(crate) fn environment(isa: &dyn TargetIsa, own: &[(String, String)]) -> Environment {
    let mut machine = String::with_capacity(1 << 10);
    for value in isa.isa_flags() {
        let _ = write!(machine, "{value} ");
    }
    let mut shared = String::with_capacity(1 << 11);
    for value in isa.flags().iter() {
        let _ = match twins_value(value.name) {
            Some(own) => write!(shared, "{}={own} ", value.name),
            None => write!(shared, "{value} "),
        };
    }
    let environment = Environment::builder("cranelift-jit")
        .field("cranelift", cranelift_codegen::VERSION)
        .field("compiler", rekindle_codegen::compiler())
        .field("rekindle-cranelift", env!("CARGO_PKG_VERSION"))
        .field("sources", SOURCES)
        .field("target", isa.triple())
        .field("machine", machine)
        .field("shared", shared)
        .field("wasmtime-unwinder", cfg!(feature = "wasmtime-unwinder"));
    let add = |environment: EnvironmentBuilder, (name, value): &(String, String)| {
        environment.field(name, value)
    };
    own.iter().fold(environment, add).build()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
    use cranelift_codegen::settings::{self, Configurable, Setting, SettingKind};

    use super::{environment, twin};

    fn isa(shared: &[(&str, &str)], machine: &[(&str, &str)]) -> Option<OwnedTargetIsa> {
        let mut flags = settings::builder();
        for (name, value) in shared {
            flags.set(name, value).ok()?;
        }
        let mut builder = cranelift_native::builder_with_options(false).expect("a known host");
        for (name, value) in machine {
            builder.set(name, value).ok()?;
        }
        builder.finish(settings::Flags::new(flags)).ok()
    }

    /// Values of a setting; one of them is what it has anyway.
    fn values(setting: &Setting) -> Vec<&'static str> {
        match setting.kind {
            SettingKind::Enum => setting.values.unwrap_or_default().to_vec(),
            SettingKind::Bool => vec!["true", "false"],
            SettingKind::Num => vec!["1", "2"],
            SettingKind::Preset => Vec::new(),
        }
    }

    fn digest_of_code_for(isa: &dyn TargetIsa) -> rekindle::Digest {
        environment(isa, &[]).digest()
    }

    #[test]
    fn each_setting_is_part_of_the_environment() {
        let base = digest_of_code_for(&*isa(&[], &[]).expect("defaults"));
        let mut seen = HashSet::from([base]);
        let mut count_changes =
            |setting: &Setting, make: &dyn Fn(&str) -> Option<OwnedTargetIsa>| {
                let isas = values(setting).into_iter().filter_map(make);
                let digests: Vec<_> = isas.map(|isa| digest_of_code_for(&*isa)).collect();
                let changed: Vec<_> = digests.iter().filter(|digest| **digest != base).collect();
                // All but the one that it has anyway, if Cranelift takes them.
                assert!(changed.len() + 1 >= digests.len(), "{}", setting.name);
                for digest in &changed {
                    assert!(seen.insert(**digest), "{}", setting.name);
                }
                changed.len()
            };
        // What the twin sets itself.
        let own = ["is_pic", "use_colocated_libcalls"];
        let mut count = 0;
        for setting in settings::builder()
            .iter()
            .filter(|setting| !own.contains(&setting.name))
        {
            count += count_changes(&setting, &|value| isa(&[(setting.name, value)], &[]));
        }
        assert!(count > 20, "{count}");
        let shared = count;
        let machine = cranelift_native::builder_with_options(false).expect("a known host");
        for setting in machine.iter() {
            count += count_changes(&setting, &|value| isa(&[], &[(setting.name, value)]));
        }
        assert!(count > shared, "the machine has no settings");
    }

    #[test]
    fn each_field_of_the_embedder_is_part_of_the_environment() {
        let isa = isa(&[], &[]).expect("defaults");
        let of = |fields: &[(&str, &str)]| {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            environment(&*isa, &fields).digest()
        };
        let all = [
            of(&[]),
            of(&[("layout", "1")]),
            of(&[("layout", "2")]),
            of(&[("front", "1")]),
            of(&[("layout", "1"), ("front", "1")]),
            // What is ours can't be had back by its name.
            of(&[("target", "1")]),
            of(&[("made-by", "1")]),
        ];
        assert_eq!(HashSet::from(all).len(), all.len());
        assert_eq!(of(&[("layout", "1")]), of(&[("layout", "1")]));
    }

    #[test]
    fn what_is_compiled_for_is_what_is_said() {
        let isa = isa(&[("opt_level", "speed")], &[]).expect("a flag of Cranelift");
        let twin = twin(&*isa).expect("it was accepted");
        assert_eq!(environment(&*isa, &[]), environment(&*twin, &[]));
        assert!(twin.flags().is_pic());
        assert!(!twin.flags().use_colocated_libcalls());
        let machine = |isa: &dyn TargetIsa| isa.isa_flags().iter().map(|v| v.to_string()).collect();
        let (own, twins): (Vec<String>, Vec<String>) = (machine(&*isa), machine(&*twin));
        assert_eq!(own, twins);
        let text = |isa: &dyn TargetIsa| -> Vec<String> {
            let flags = isa.flags().iter();
            let others = flags.filter(|value| super::twins_value(value.name).is_none());
            others.map(|value| value.to_string()).collect()
        };
        assert_eq!(text(&*isa), text(&*twin));
    }

    #[test]
    fn versions_and_the_target_are_part_of_the_environment() {
        let environment = environment(&*isa(&[], &[]).expect("defaults"), &[]);
        let value = |name: &str| {
            let field = environment.fields().iter().find(|(field, _)| field == name);
            field.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("cranelift"), Some(cranelift_codegen::VERSION));
        assert_eq!(value("rekindle-cranelift"), Some(env!("CARGO_PKG_VERSION")));
        let all = [
            "rekindle",
            "format",
            "made-by",
            "compiler",
            "sources",
            "target",
            "machine",
            "shared",
            "wasmtime-unwinder",
        ];
        for name in all {
            assert!(value(name).is_some(), "{name}");
        }
    }
}
