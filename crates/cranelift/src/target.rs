//! What modules for one target share: the environment of their code, and the twin that it is compiled for.
//!
//! Each takes as long to make as compiling a small function, and many embedders make a module for each.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use rekindle::Environment;
use rekindle_exec::PerProcess;
use rekindle_exec::fork_gate::enter;

use crate::isa::{environment, twin};

/// So many targets are remembered; a process with more of them makes each anew.
const MAX_TARGETS: usize = 16;

/// A target, and the embedder's own fields.
pub(crate) struct CodeTarget {
    identity: Identity,
    pub(crate) environment: Environment,
    twin: OnceLock<OwnedTargetIsa>,
}

/// All that an environment and a twin are made from.
#[derive(PartialEq, Eq)]
struct Identity {
    /// What Cranelift hashes of the target, as it is.
    target: Vec<u8>,
    own: Vec<(String, String)>,
}

impl CodeTarget {
    /// The target of an ISA; the same each time.
    pub(crate) fn of(isa: &dyn TargetIsa, own: Vec<(String, String)>) -> Arc<Self> {
        static KNOWN: PerProcess<Mutex<Vec<Arc<CodeTarget>>>> = PerProcess::new();
        let mut target = Recorder(Vec::with_capacity(256));
        (isa.name(), isa.triple(), isa.flags()).hash(&mut target);
        isa.isa_flags_hash_key().hash(&mut target);
        let identity = Identity {
            target: target.0,
            own,
        };
        let known = || KNOWN.get().lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |target: &&Arc<Self>| target.identity == identity;
        if let Some(target) = known().iter().find(is_same) {
            return Arc::clone(target);
        }
        let target = Arc::new(Self {
            environment: environment(isa, &identity.own),
            identity,
            twin: OnceLock::new(),
        });
        let mut known = known();
        if known.len() < MAX_TARGETS {
            known.push(Arc::clone(&target));
        }
        target
    }

    /// The position-independent twin of the ISA that this is the target of.
    pub(crate) fn twin(&self, isa: &dyn TargetIsa) -> &OwnedTargetIsa {
        if let Some(twin) = self.twin.get() {
            return twin;
        }
        // All modules for the target wait for who makes it.
        let _inside = enter();
        self.twin
            .get_or_init(|| twin(isa).expect("Cranelift accepted these flags once"))
    }
}

/// Keeps what is hashed.
struct Recorder(Vec<u8>);

impl Hasher for Recorder {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::CodeTarget;
    use cranelift_codegen::isa::OwnedTargetIsa;
    use cranelift_codegen::settings::{self, Configurable, SettingKind};
    use std::sync::Arc;

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

    #[test]
    fn no_two_targets_are_taken_for_one() {
        let base = isa(&[], &[]).expect("defaults");
        let target = CodeTarget::of(&*base, Vec::new());
        let again = CodeTarget::of(&*isa(&[], &[]).expect("defaults"), Vec::new());
        assert!(Arc::ptr_eq(&target, &again));
        let own = vec![("layout".to_owned(), "2".to_owned())];
        assert!(!Arc::ptr_eq(&target, &CodeTarget::of(&*base, own)));
        let machine = cranelift_native::builder_with_options(false).expect("a known host");
        let shared: Vec<_> = settings::builder().iter().collect();
        let mut count = 0;
        for (setting, is_shared) in shared
            .into_iter()
            .map(|setting| (setting, true))
            .chain(machine.iter().map(|setting| (setting, false)))
        {
            let values = match setting.kind {
                SettingKind::Enum => setting.values.unwrap_or_default().to_vec(),
                SettingKind::Bool => vec!["true", "false"],
                SettingKind::Num => vec!["1", "2"],
                SettingKind::Preset => Vec::new(),
            };
            for value in values {
                let pair = [(setting.name, value)];
                let other = match is_shared {
                    true => isa(&pair, &[]),
                    false => isa(&[], &pair),
                };
                let Some(other) = other else { continue };
                let found = CodeTarget::of(&*other, Vec::new());
                let is_base = crate::isa::environment(&*other, &[]) == target.environment;
                // The environment leaves out what twins set themselves.
                assert!(is_base || !Arc::ptr_eq(&target, &found), "{}", setting.name);
                assert_eq!(found.environment, crate::isa::environment(&*other, &[]));
                count += u32::from(!is_base);
            }
        }
        assert!(count > 20, "{count}");
    }
}
