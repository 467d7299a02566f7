//! Memory that an embedder's own provider gives.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
use cranelift_module::{DataDescription, Linkage, Module, ModuleResult};
use rekindle_cranelift::{
    BranchProtection, Cache, JITMemoryKind, JITMemoryProvider, JITModule, SystemMemoryProvider,
};

use crate::support::{Home, builder, call, declare, define};

/// What a provider was asked for, and gave.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<Vec<Part>>>);

/// What for, and where.
type Part = (JITMemoryKind, Range<usize>);

impl Given {
    /// The kind of the memory that holds `address`, if the provider gave it.
    fn kind_of(&self, address: *const u8) -> Option<JITMemoryKind> {
        let given = self.0.lock().expect("nobody panicked");
        let found = given
            .iter()
            .find(|(_, range)| range.contains(&address.addr()));
        found.map(|(kind, _)| *kind)
    }
}

/// A provider of memory that remembers what it gave.
struct Provider {
    memory: SystemMemoryProvider,
    given: Given,
}

impl JITMemoryProvider for Provider {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let start = self.memory.allocate(size, align, kind)?;
        let range = start.addr()..start.addr() + size;
        let mut given = self.given.0.lock().expect("nobody panicked");
        given.push((kind, range));
        Ok(start)
    }

    unsafe fn free_memory(&mut self) {
        // SAFETY: the caller's.
        unsafe { self.memory.free_memory() }
    }

    fn finalize(&mut self, branch_protection: BranchProtection) -> ModuleResult<()> {
        self.memory.finalize(branch_protection)
    }
}

/// A module with such a provider whose `add` adds a word of its data to what it is given: the module, the
/// sum for 40, and what holds the function, the word, and a constant.
fn run(cache: &Cache) -> (JITModule, i64, [Option<JITMemoryKind>; 3]) {
    let given = Given::default();
    let mut builder = builder(cache);
    builder.memory_provider(Box::new(Provider {
        memory: SystemMemoryProvider::new(),
        given: given.clone(),
    }));
    let mut module = JITModule::new(builder);
    let objects = [("word", true), ("constant", false)].map(|(name, writable)| {
        let id = module.declare_data(name, Linkage::Local, writable, false);
        let id = id.expect("a new name");
        let mut contents = DataDescription::new();
        contents.define(2_i64.to_le_bytes().into());
        module.define_data(id, &contents).expect("a sound object");
        id
    });
    let add = declare(&mut module, "add", 1);
    define(&mut module, add, &mut |module, body, params| {
        let word = module.declare_data_in_func(objects[0], body.func);
        let base = body.ins().symbol_value(types::I64, word);
        let word = body
            .ins()
            .load(types::I64, MemFlagsData::trusted(), base, 0);
        body.ins().iadd(params[0], word)
    });
    module.finalize_definitions().expect("all is defined");
    let places = [
        module.get_finalized_function(add),
        module.get_finalized_data(objects[0]).0,
        module.get_finalized_data(objects[1]).0,
    ];
    let sum = call(&module, add, 40);
    (module, sum, places.map(|place| given.kind_of(place)))
}

/// It was ignored once: code lay wherever the cache put it.
#[test]
fn a_memory_provider_gets_all_code_and_data_and_the_cache_says_that_it_keeps_none() {
    let home = Home::new();
    for round in ["cold", "warm"] {
        let cache = home.open();
        assert!(cache.is_persistent());
        let (module, sum, kinds) = run(&cache);
        assert_eq!(sum, 42);
        let wanted = [
            JITMemoryKind::Executable,
            JITMemoryKind::Writable,
            JITMemoryKind::ReadOnly,
        ];
        assert_eq!(kinds, wanted.map(Some), "{round}");
        // Who asks the cache hears it, and who asks the module.
        for cache in [&cache, module.cache()] {
            let notices: Vec<String> = cache.notices().iter().map(ToString::to_string).collect();
            let [notice] = &notices[..] else {
                panic!("one notice: {notices:?}")
            };
            assert!(
                notice.contains("memory provider") && notice.contains("keeps"),
                "{notice}"
            );
        }
        drop(module);
        let statistics = cache.statistics();
        assert_eq!(
            (statistics.entries_loaded, statistics.bytes_written),
            (0, 0),
            "{round}"
        );
    }
}

/// Those of this crate stand for any memory: what is kept can serve.
#[test]
fn a_provider_of_this_crate_costs_no_hit_and_is_no_news() {
    let home = Home::new();
    for round in 0..2 {
        let cache = home.open();
        let mut builder = builder(&cache);
        builder.memory_provider(Box::new(SystemMemoryProvider::new()));
        let mut module = JITModule::new(builder);
        let next = declare(&mut module, "next", 1);
        define(&mut module, next, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], 1)
        });
        module.finalize_definitions().expect("all is defined");
        assert_eq!(call(&module, next, 41), 42);
        drop(module);
        assert_eq!(cache.statistics().entries_loaded, round);
        assert!(cache.notices().is_empty());
    }
}
