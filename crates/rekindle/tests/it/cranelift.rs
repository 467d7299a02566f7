//! Cranelift's output, kept and loaded.

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::immediates::Offset32;
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, Function, GlobalValueData, InstBuilder, MemFlagsData,
    Signature, SourceLoc, TrapCode, UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CompiledCode, Context};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use rekindle::{Artifact, SectionKind, Target, ZeroSection, signature_of};
use rekindle_codegen::{ConvertError, Description, artifact_from_compiled};

use crate::support::{Home, Unary, call_unary, hit, key, obtain, scope, symbol};

fn isa(is_pic: bool) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    flags.set("opt_level", "speed").expect("a setting");
    flags
        .set("is_pic", if is_pic { "true" } else { "false" })
        .expect("a setting");
    flags.set("unwind_info", "true").expect("a setting");
    let builder = cranelift_native::builder().expect("a known host");
    builder
        .finish(settings::Flags::new(flags))
        .expect("settings fit")
}

/// Names by their index: 0 is a function elsewhere, 1 our own writable memory, 2 a value elsewhere.
const NAMES: [&str; 3] = ["helper", "counter", "value"];

/// `fn(x) { counter += 1; trap if x == 0; x + 0.5 as u64 ... }` with a call, a value, data of its
/// own, a constant pool and a trap.
fn function(isa: &OwnedTargetIsa) -> Function {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let mut function = Function::with_name_signature(UserFuncName::user(0, 9), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_block(block);
    let x = builder.block_params(block)[0];

    let names = [0, 1, 2].map(|index| {
        let name = UserExternalName {
            namespace: 0,
            index,
        };
        builder.func.declare_imported_user_function(name)
    });
    let mut global = |name: usize, colocated: bool| {
        builder.func.create_global_value(GlobalValueData::Symbol {
            name: ExternalName::user(names[name]),
            offset: 0.into(),
            colocated,
            tls: false,
        })
    };
    let (counter, value) = (global(1, true), global(2, false));
    let mut helper = Signature::new(isa.default_call_conv());
    helper.returns.push(AbiParam::new(types::I64));
    let helper = builder.import_signature(helper);
    let helper = builder.import_function(ExtFuncData {
        name: ExternalName::user(names[0]),
        signature: helper,
        colocated: false,
        patchable: false,
    });

    builder.set_srcloc(SourceLoc::new(500));
    let address = builder.ins().symbol_value(types::I64, counter);
    let flags = MemFlagsData::trusted();
    let count = builder
        .ins()
        .load(types::I64, flags, address, Offset32::new(16));
    let count = builder.ins().iadd_imm_u(count, 1);
    builder
        .ins()
        .store(flags, count, address, Offset32::new(16));
    builder.set_srcloc(SourceLoc::new(504));
    builder
        .ins()
        .trapz(x, TrapCode::user(7).expect("not reserved"));
    let call = builder.ins().call(helper, &[]);
    let result = builder.inst_results(call)[0];
    let value = builder.ins().symbol_value(types::I64, value);
    let sum = builder.ins().iadd(result, value);
    let sum = builder.ins().iadd(sum, count);
    let half = builder.ins().f64const(2.5);
    let float = builder.ins().fcvt_from_uint(types::F64, x);
    let float = builder.ins().fmul(float, half);
    let float = builder.ins().fcvt_to_uint_sat(types::I64, float);
    let sum = builder.ins().iadd(sum, float);
    builder.ins().return_(&[sum]);
    builder.finalize(isa.frontend_config());
    function
}

fn compile(isa: &OwnedTargetIsa) -> (Context, CompiledCode) {
    let mut context = Context::for_function(function(isa));
    context
        .compile(&**isa, &mut ControlPlane::default())
        .expect("it compiles");
    let code = context.take_compiled_code().expect("it was compiled");
    (context, code)
}

fn convert(isa: &OwnedTargetIsa, known: usize) -> Result<Artifact, ConvertError> {
    let (context, code) = compile(isa);
    let names = |name: &ExternalName| {
        let ExternalName::User(name) = name else {
            return None;
        };
        let index = context.func.params.user_named_funcs()[*name].index as usize;
        match NAMES.get(..known)?.get(index)? {
            &"counter" => Some(Target::Section(SectionKind::Bss)),
            name => Some(symbol(name)),
        }
    };
    let description = Description {
        name: "cranelift@test".to_owned(),
        symbol: None,
        signature: rekindle::Signature(signature_of::<Unary>()),
        compile_time_ns: 9,
    };
    artifact_from_compiled(description, &code, &**isa, &names)
}

fn artifact() -> Artifact {
    let bss = ZeroSection { size: 32, align: 8 };
    Artifact {
        bss,
        ..convert(&isa(true), 3).expect("it can be kept")
    }
}

#[test]
fn cranelift_code_comes_back() {
    let home = Home::new();
    let first = scope(&home.open());
    let inserted = obtain(&first, &key(1), artifact);
    first.flush();
    let second = scope(&home.open());
    let loaded = hit(&second, &key(1));
    for (scope, code) in [(&first, &inserted), (&second, &loaded)] {
        // helper() + value + count + x * 2.5
        assert_eq!(call_unary(code, 10), 42 + 1000 + 1 + 25);
        assert_eq!(call_unary(code, 4), 42 + 1000 + 2 + 10);
        let located = |offset: u32| {
            scope
                .locate(code.address().offset(offset.into()))
                .expect("it is there")
        };
        let offsets = 0..code.text_len_bytes();
        let trap = offsets.clone().map(located).find(|at| at.trap == Some(7));
        assert_eq!(trap.expect("a trap").name, "cranelift@test");
        for location in [500, 504] {
            assert!(
                offsets
                    .clone()
                    .any(|at| located(at).source_location == Some(location))
            );
        }
    }
}

#[test]
fn unwind_information_leads_to_the_text() {
    let artifact = artifact();
    let unwind = artifact.unwind.expect("it was asked for");
    let field = unwind.location_field as usize;
    let bytes = unwind.eh_frame[field..field + 4]
        .try_into()
        .expect("four bytes");
    // Written as if section and text both started at zero.
    assert_eq!(i32::from_le_bytes(bytes), -(field as i32));
    let bytes = unwind.eh_frame[field + 4..field + 8]
        .try_into()
        .expect("four bytes");
    assert_eq!(
        u32::from_le_bytes(bytes) as usize,
        artifact.text.bytes.len()
    );
}

#[test]
fn an_unknown_name_is_an_error() {
    let error = convert(&isa(true), 1).expect_err("there are more names");
    assert!(matches!(error, ConvertError::UnknownName { .. }), "{error}");
}

#[test]
fn position_dependent_code_is_refused() {
    use rekindle::{Cache, InsertError, Lookup};
    let artifact = convert(&isa(false), 3).expect("it can be converted");
    let scope = scope(&Cache::in_memory());
    let Lookup::Miss(ticket) = scope.lookup(&key(1)) else {
        panic!("a hit")
    };
    let error = scope
        .insert(ticket, artifact)
        .expect_err("it holds addresses");
    assert!(matches!(error, InsertError::Link(_)), "{error}");
}
