//! What lies beside code: the same from the compiler, from the cache, and from a program.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::Context;
use cranelift_codegen::ir::{
    BlockArg, BlockCall, ExceptionTableData, ExceptionTableItem, ExceptionTag, InstBuilder,
    MemFlagsData, SourceLoc, TrapCode, types,
};
use cranelift_codegen::{CompiledCode, FinalizedMachExceptionHandler};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, FuncOrDataId, Linkage, Module, ModuleError};
use rekindle_cranelift::{FunctionTables, JITModule, KeyBuilder};

use crate::support::{Home, builder, call, signature};

extern "C" fn host_twice(value: i64) -> i64 {
    value * 2
}

/// Two calls that may throw, a value that a collector must find, a trap, source locations.
fn build(module: &mut JITModule, id: FuncId, host: FuncId, ctx: &mut Context) {
    ctx.func.signature = module
        .declarations()
        .get_function_decl(id)
        .signature
        .clone();
    let mut frontend = FunctionBuilderContext::new();
    let mut body = FunctionBuilder::new(&mut ctx.func, &mut frontend);
    let [entry, normal, caught] = [(); 3].map(|()| body.create_block());
    body.append_block_params_for_function_params(entry);
    body.switch_to_block(entry);
    body.set_srcloc(SourceLoc::new(100));
    let param = body.block_params(entry)[0];
    let code = TrapCode::user(3).expect("not reserved");
    body.ins().trapz(param, code);
    let kept = body.ins().iadd_imm_s(param, 1);
    body.declare_value_needs_stack_map(kept);
    let result = body.append_block_param(normal, types::I64);
    let payload = body.append_block_param(caught, types::I64);
    body.append_block_param(caught, types::I64);
    let host = module.declare_func_in_func(host, body.func);
    let signature = body.func.dfg.ext_funcs[host].signature;
    let lists = &mut body.func.dfg.value_lists;
    let returned = BlockCall::new(normal, [BlockArg::TryCallRet(0)], lists);
    let thrown = [BlockArg::TryCallExn(0), BlockArg::TryCallExn(1)];
    let thrown = BlockCall::new(caught, thrown, lists);
    let tag = ExceptionTag::from_u32(17);
    let items = [
        ExceptionTableItem::Context(param),
        ExceptionTableItem::Tag(tag, thrown),
        ExceptionTableItem::Default(thrown),
    ];
    // Wasmtime's unwinder knows no contexts in registers, and panics.
    let first = usize::from(cfg!(feature = "wasmtime-unwinder"));
    let items = items.into_iter().skip(first);
    let table = ExceptionTableData::new(signature, returned, items);
    let table = body.func.dfg.exception_tables.push(table);
    body.set_srcloc(SourceLoc::new(200));
    body.ins().try_call(host, &[param], table);
    body.switch_to_block(normal);
    body.set_srcloc(SourceLoc::new(300));
    let again = body.ins().call(host, &[result]);
    let again = body.inst_results(again)[0];
    let sum = body.ins().iadd(again, kept);
    body.ins().return_(&[sum]);
    body.switch_to_block(caught);
    let loaded = body.ins().load(types::I64, MemFlagsData::new(), payload, 0);
    body.ins().return_(&[loaded]);
    body.seal_all_blocks();
    body.finalize(module.target_config());
}

fn declare(module: &mut JITModule) -> Result<(FuncId, FuncId), ModuleError> {
    let one = signature(module, 1);
    let host = module.declare_function("host", Linkage::Import, &one)?;
    let id = module.declare_function("throwing", Linkage::Export, &one)?;
    Ok((id, host))
}

/// A module over a home that has the function, made in one of the ways.
fn make(home: &Home, way: &str) -> (JITModule, FuncId, Context) {
    let mut builder = builder(&home.open());
    builder.symbol("host", host_twice as *const u8);
    builder.keep_compiled_code(way == "kept");
    let mut module = JITModule::new(builder);
    let mut ctx = module.make_context();
    let key = KeyBuilder::new("test/tables").finish();
    let define = |module: &mut JITModule, ctx: &mut Context| {
        let (id, host) = declare(module)?;
        build(module, id, host, ctx);
        module.define_function(id, ctx)
    };
    match way {
        "program" => {
            let found = module.define_program(&key, |module| define(module, &mut ctx));
            found.expect("sound");
        }
        "keyed" => {
            let (id, host) = declare(&mut module).expect("new");
            let found = module.define_trusting_key(&key, id, |module, ctx| {
                build(module, id, host, ctx);
                Ok::<_, ModuleError>(())
            });
            found.expect("sound");
        }
        _ => define(&mut module, &mut ctx).expect("sound"),
    }
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(id)) = module.get_name("throwing") else {
        panic!("it is a function")
    };
    (module, id, ctx)
}

/// What Cranelift itself says.
fn judge(tables: &FunctionTables, compiled: &CompiledCode) {
    let buffer = &compiled.buffer;
    let traps = buffer.traps().iter().map(|trap| (trap.offset, trap.code));
    assert_eq!(tables.traps, traps.collect::<Vec<_>>());
    for location in buffer.get_srclocs_sorted() {
        let holds = |(range, known): &&(std::ops::Range<u32>, SourceLoc)| {
            range.contains(&location.start) && *known == location.loc
        };
        let found = tables.source_locations.iter().find(holds);
        assert_eq!(found.is_none(), location.loc.is_default());
    }
    assert_eq!(tables.stack_maps.len(), buffer.user_stack_maps().len());
    for (ours, (offset, span, map)) in tables.stack_maps.iter().zip(buffer.user_stack_maps()) {
        assert_eq!((ours.return_offset, ours.span_bytes), (*offset, *span));
        assert_eq!(ours.entries, map.entries().collect::<Vec<_>>());
    }
    let sites = buffer.call_sites();
    let mut sites = sites.filter(|site| !site.exception_handlers.is_empty());
    for ours in &tables.call_sites {
        let site = sites.next().expect("there are as many");
        assert_eq!(ours.return_offset, site.ret_addr);
        assert_eq!(ours.frame_offset, site.frame_offset);
        assert_eq!(ours.handlers, site.exception_handlers);
    }
    assert!(sites.next().is_none());
}

#[test]
fn tables_are_the_same_from_wherever_the_code_is() {
    let home = Home::new();
    let (module, id, ctx) = make(&home, "fresh");
    assert_eq!(module.is_loaded(id), Some(false));
    let tables = module.function_tables(id).expect("it is defined");
    judge(&tables, ctx.compiled_code().expect("it was compiled"));
    // All kinds of table have something in them.
    let expected = [2, 2, 1];
    let lens = [
        &tables.traps.len(),
        &tables.stack_maps.len(),
        &tables.call_sites.len(),
    ];
    assert_eq!(lens.map(|len| *len), expected, "{tables:?}");
    let handlers = &tables.call_sites[0].handlers;
    use FinalizedMachExceptionHandler as H;
    let has_context = matches!(handlers[0], H::Context(_));
    assert_eq!(has_context, !cfg!(feature = "wasmtime-unwinder"));
    assert!(
        matches!(handlers[..], [.., H::Tag(tag, _), H::Default(_)] if tag.as_u32() == 17),
        "{handlers:?}"
    );
    drop(module);
    for way in ["clif", "kept", "keyed", "keyed", "program", "program"] {
        let (module, id, ctx) = make(&home, way);
        assert_eq!(module.function_tables(id).as_ref(), Some(&tables), "{way}");
        assert_eq!(call(&module, id, 5), 26);
        let compiled = ctx.compiled_code();
        assert_eq!(compiled.is_some(), way == "kept", "{way}");
        if let Some(compiled) = compiled {
            judge(&tables, compiled);
            assert_eq!(module.is_loaded(id), Some(true));
        }
        // By address.
        let entry = module.get_finalized_function(id);
        for (offset, code) in &tables.traps {
            let located = module.locate(entry.wrapping_add(*offset as usize));
            let trap = located.expect("it is code").trap;
            assert_eq!(trap, Some(code.as_raw().get().into()));
        }
        for (range, location) in &tables.source_locations {
            let located = module.locate(entry.wrapping_add(range.end as usize - 1));
            let found = located.expect("it is code").source_location;
            assert_eq!(found, Some(location.bits()));
        }
    }
}

#[cfg(feature = "wasmtime-unwinder")]
#[test]
fn wasmtimes_tables_are_found_by_address() {
    let home = Home::new();
    for way in ["clif", "clif", "program", "program"] {
        let (module, id, _) = make(&home, way);
        let tables = module.function_tables(id).expect("it is defined");
        let start = module.get_finalized_function(id).addr();
        let site = &tables.call_sites[0];
        let pc = start + site.return_offset as usize;
        let (base, table) = module
            .lookup_wasmtime_exception_data(pc)
            .expect("it is code");
        assert_eq!(base, start, "{way}");
        let (frame_offset, handlers) = table.lookup_pc(site.return_offset);
        assert_eq!(frame_offset, site.frame_offset);
        assert_eq!(handlers.count(), site.handlers.len());
        assert!(module.lookup_wasmtime_exception_data(8).is_none());
    }
}
