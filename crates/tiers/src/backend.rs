//! Cranelift for regions: its settings, and compilation to artifacts.
//!
//! Everything that decides what code comes out, apart from the region itself, is named by
//! [`environment`] without building any of it, so that a start that finds all code in the cache
//! never touches Cranelift.

use std::time::Instant;

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, Function, UserFuncName};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{Configurable, Flags};
use cranelift_codegen::{Context, isa, settings};
use cranelift_frontend::FunctionBuilderContext;
use rekindle::{Artifact, Environment, RelocationKind, SectionKind, Target, ZeroSection};
use rekindle_codegen::{Description, artifact_from_compiled};

use crate::abi::{self, CARRIED, REGION_SIGNATURE};
use crate::arch::x86_64::load_becomes_address;
use crate::dump;
use crate::flow::{Flow, analyse};
use crate::metadata;
use crate::region::Region;
use crate::source::Source;
use crate::translate::{Host, Symbol, Untranslated, translate};

/// Digest of the translator's sources: another one whenever a region could come out different.
const TRANSLATOR_SOURCES: &str = env!("REKINDLE_TIERS_SOURCES");

/// Settings of every compilation. The verifier, which changes nothing, is set apart.
const SETTINGS: [(&str, &str); 6] = [
    ("is_pic", "true"),
    ("enable_pinned_reg", "true"),
    ("unwind_info", "false"),
    ("enable_probestack", "false"),
    ("preserve_frame_pointers", "true"),
    ("regalloc_algorithm", "backtracking"),
];

macro_rules! host_features {
    ($($setting:literal = $feature:tt),* $(,)?) => {
        /// Cranelift's names of the instruction sets that it knows and this host has.
        fn host_features() -> impl Iterator<Item = &'static str> {
            [$(($setting, std::is_x86_feature_detected!($feature))),*]
                .into_iter()
                .filter_map(|(setting, present)| present.then_some(setting))
        }
    };
}

host_features! {
    "has_sse3" = "sse3",
    "has_ssse3" = "ssse3",
    "has_sse41" = "sse4.1",
    "has_sse42" = "sse4.2",
    "has_popcnt" = "popcnt",
    "has_avx" = "avx",
    "has_avx2" = "avx2",
    "has_fma" = "fma",
    "has_bmi1" = "bmi1",
    "has_bmi2" = "bmi2",
    "has_lzcnt" = "lzcnt",
}

/// The environment of compiled regions, of which `exact_faults` says whether they keep the state
/// exact for faults.
pub(crate) fn environment(exact_faults: bool) -> Environment {
    let features: Vec<&str> = host_features().collect();
    let settings: Vec<String> = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Environment::builder("rekindle-vm")
        .field("translator", TRANSLATOR_SOURCES)
        .field("cranelift", cranelift_codegen::VERSION)
        .field("compiler", rekindle_codegen::compiler())
        .field("settings", settings.join(","))
        .field("features", features.join(","))
        .field("exact-faults", exact_faults)
        .field("state", format!("{:?}", abi::state_layout()))
        .field("carried", format!("{CARRIED:?}"))
        .build()
}

/// A region can't be compiled; it stays interpreted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CompileError {
    /// Cranelift refuses.
    #[error("Cranelift: {0}")]
    Cranelift(String),
    /// Cranelift refers to a link slot in a way that isn't known here.
    #[error("the reference to a link slot at offset {offset:#x} isn't a load")]
    Slot {
        /// Where in the text.
        offset: u32,
    },
    /// A place to which the region leads is too far away.
    #[error(transparent)]
    TooFar(#[from] metadata::TooFar),
    /// An instruction isn't translated.
    #[error(transparent)]
    Untranslated(#[from] Untranslated),
    /// The code can't be expressed as an artifact.
    #[error("artifact: {0}")]
    Convert(#[from] rekindle_codegen::ConvertError),
}

/// What a compilation is told beside the region.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Where the module is loaded, if code must not depend on it.
    pub floating_base: Option<u64>,
    /// Whether the state must be exact at every access that may fault.
    pub exact_faults: bool,
    /// Whether the code is shown to a person.
    pub is_dumped: bool,
    /// What the region was discovered in.
    pub source: Source,
}

/// Cranelift, set up for this host, with its reusable buffers.
pub(crate) struct Backend {
    /// With the optimiser, for integer code.
    optimising: OwnedTargetIsa,
    /// Without, for code whose floating-point operations must stay where they are.
    plain: OwnedTargetIsa,
    context: Context,
    builder_context: FunctionBuilderContext,
    dump: Option<String>,
}

impl Backend {
    /// Sets Cranelift up.
    ///
    /// # Errors
    /// Where Cranelift doesn't know this host.
    pub(crate) fn new() -> Result<Self, CompileError> {
        Ok(Self {
            optimising: build_isa("speed")?,
            plain: build_isa("none")?,
            context: Context::new(),
            builder_context: FunctionBuilderContext::new(),
            dump: None,
        })
    }

    /// Compiles a region, whose artifact gets this name.
    ///
    /// # Errors
    /// Where the region must stay interpreted.
    pub(crate) fn compile(
        &mut self,
        region: &Region,
        name: String,
        request: &Request,
    ) -> Result<Artifact, CompileError> {
        let started = Instant::now();
        let flow = analyse(region, request.exact_faults);
        let isa = self.isa(&flow);
        let target = Host {
            floating_base: request.floating_base,
            exact_faults: request.exact_faults,
            marks_instructions: request.is_dumped,
            has_fma: std::is_x86_feature_detected!("fma"),
            optimised: !flow.has_arithmetic,
            frontend: isa.frontend_config(),
        };
        let isa = isa.clone();
        self.context.clear();
        self.context.func = Function::with_name_signature(
            UserFuncName::default(),
            cranelift_codegen::ir::Signature::new(isa::CallConv::Tail),
        );
        let tables = translate(
            region,
            &flow,
            target,
            &mut self.context.func,
            &mut self.builder_context,
        )?;
        self.context
            .compile(&*isa, &mut ControlPlane::default())
            .map_err(|error| CompileError::Cranelift(format!("{:?}", error.inner)))?;
        let mut artifact = self.convert(&*isa, name)?;
        if request.is_dumped {
            self.dump = Some(dump::text(region, &self.context.func, &artifact));
        }
        let slots = u32::try_from(tables.slots.len()).unwrap_or(u32::MAX);
        artifact.bss = ZeroSection {
            size: slots.saturating_mul(8),
            align: 8,
        };
        artifact.metadata = metadata::encode(region.head, &tables, &request.source)?;
        artifact.compile_time_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(artifact)
    }

    /// The text of the latest region that is to be shown to a person.
    pub(crate) fn take_dump(&mut self) -> Option<String> {
        self.dump.take()
    }

    fn isa(&self, flow: &Flow) -> &OwnedTargetIsa {
        if flow.has_arithmetic {
            &self.plain
        } else {
            &self.optimising
        }
    }

    fn convert(&self, isa: &dyn TargetIsa, name: String) -> Result<Artifact, CompileError> {
        let compiled = self
            .context
            .compiled_code()
            .ok_or_else(|| CompileError::Cranelift("no code".to_owned()))?;
        let names = self.context.func.params.user_named_funcs();
        let target = |name: &ExternalName| match name {
            ExternalName::User(name) => {
                let symbol = Symbol::from_user_name(&names[*name])?;
                Some(Target::Symbol(match symbol {
                    Symbol::Slot(slot) => format!("{SLOT_PREFIX}{slot}"),
                    _ => symbol.name()?.to_owned(),
                }))
            }
            _ => None,
        };
        let description = Description {
            name,
            // Regions know each other by slots.
            symbol: None,
            signature: REGION_SIGNATURE,
            compile_time_ns: 0,
        };
        let mut artifact = artifact_from_compiled(description, compiled, isa, &target)?;
        refer_to_slots(&mut artifact)?;
        Ok(artifact)
    }
}

/// What stands before a slot's number in the name that it has between Cranelift and
/// [`refer_to_slots`].
const SLOT_PREFIX: &str = "slot:";

/// Cranelift loads the address of every symbol from a cell. Link slots are in the artifact's own
/// data, at a known distance, so their addresses are computed instead.
fn refer_to_slots(artifact: &mut Artifact) -> Result<(), CompileError> {
    for relocation in &mut artifact.relocations {
        let Target::Symbol(name) = &relocation.target else {
            continue;
        };
        let Some(slot) = name
            .strip_prefix(SLOT_PREFIX)
            .and_then(|slot| slot.parse::<i64>().ok())
        else {
            continue;
        };
        if relocation.kind != RelocationKind::X86GotPc32
            || !load_becomes_address(&mut artifact.text.bytes, relocation.offset)
        {
            return Err(CompileError::Slot {
                offset: relocation.offset,
            });
        }
        relocation.kind = RelocationKind::X86Pc32;
        relocation.target = Target::Section(SectionKind::Bss);
        relocation.addend += 8 * slot;
    }
    Ok(())
}

fn build_isa(opt_level: &str) -> Result<OwnedTargetIsa, CompileError> {
    let failed = |error: &dyn std::fmt::Display| CompileError::Cranelift(error.to_string());
    let mut shared = settings::builder();
    let verifier = if cfg!(debug_assertions) {
        "true"
    } else {
        "false"
    };
    let own = [("opt_level", opt_level), ("enable_verifier", verifier)];
    for (name, value) in SETTINGS.into_iter().chain(own) {
        shared.set(name, value).map_err(|error| failed(&error))?;
    }
    let mut builder =
        isa::lookup_by_name("x86_64-unknown-linux-gnu").map_err(|error| failed(&error))?;
    for feature in host_features() {
        builder.enable(feature).map_err(|error| failed(&error))?;
    }
    builder
        .finish(Flags::new(shared))
        .map_err(|error| failed(&error))
}
