//! Calls between functions of a module: direct, whether compiled or found, and always of what a name
//! stands for in this process.

use cranelift_codegen::ir::{InstBuilder, types};
use cranelift_module::{FuncId, Linkage, Module};
use rekindle_cranelift::{Cache, JITModule};

use crate::support::{Home, call, declare, define, module, signature};

/// What the functions of a version of the program add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    leaf: i64,
    middle: i64,
}

/// `leaf(x) = x + leaf`, `middle(x) = leaf(x) * 2 + middle`, `address(_) = &leaf`, and
/// `top(x) = middle(x) + leaf(x) + top(x - 1)` down to zero.
struct Program {
    module: JITModule,
    leaf: FuncId,
    middle: FuncId,
    address: FuncId,
    top: FuncId,
}

fn program(cache: &Cache, version: Version) -> Program {
    let Version { leaf, middle } = version;
    let mut module = module(cache);
    let names = ["leaf", "middle", "address", "top"];
    let ids = names.map(|name| declare(&mut module, name, 1));
    let [leaf_id, middle_id, address_id, top_id] = ids;
    define(&mut module, top_id, &mut |module, body, params| {
        let x = params[0];
        let (done, more) = (body.create_block(), body.create_block());
        let result = body.append_block_param(done, types::I64);
        let zero = body.ins().iconst(types::I64, 0);
        body.ins().brif(x, more, &[], done, &[zero.into()]);
        body.switch_to_block(more);
        let less = body.ins().iadd_imm_s(x, -1);
        let mut sum = zero;
        for (callee, argument) in [(middle_id, x), (leaf_id, x), (top_id, less)] {
            let callee = module.declare_func_in_func(callee, body.func);
            let call = body.ins().call(callee, &[argument]);
            let value = body.inst_results(call)[0];
            sum = body.ins().iadd(sum, value);
        }
        body.ins().jump(done, &[sum.into()]);
        body.switch_to_block(done);
        result
    });
    define(&mut module, middle_id, &mut |module, body, params| {
        let callee = module.declare_func_in_func(leaf_id, body.func);
        let call = body.ins().call(callee, &[params[0]]);
        let value = body.inst_results(call)[0];
        let double = body.ins().iadd(value, value);
        body.ins().iadd_imm_s(double, middle)
    });
    define(&mut module, address_id, &mut |module, body, _| {
        let callee = module.declare_func_in_func(leaf_id, body.func);
        body.ins().func_addr(types::I64, callee)
    });
    define(&mut module, leaf_id, &mut |_, body, params| {
        body.ins().iadd_imm_s(params[0], leaf)
    });
    module.finalize_definitions().expect("all is defined");
    Program {
        module,
        leaf: leaf_id,
        middle: middle_id,
        address: address_id,
        top: top_id,
    }
}

fn expected(version: Version, x: i64) -> i64 {
    let Version { leaf, middle } = version;
    let of = |x: i64| (x + leaf) * 2 + middle + x + leaf;
    (1..=x).map(of).sum()
}

impl Program {
    fn check(&self, version: Version) {
        let Self {
            module,
            leaf,
            middle,
            address,
            top,
        } = self;
        assert_eq!(call(module, *leaf, 5), 5 + version.leaf);
        let double = 2 * (5 + version.leaf);
        assert_eq!(call(module, *middle, 5), double + version.middle);
        assert_eq!(call(module, *top, 9), expected(version, 9), "{version:?}");
        let pointer = module.get_finalized_function(*leaf);
        assert_eq!(call(module, *address, 0), pointer.addr() as i64);
    }

    fn loaded(&self) -> Vec<bool> {
        let ids = [self.leaf, self.middle, self.address, self.top];
        ids.map(|id| self.module.is_loaded(id) == Some(true)).into()
    }
}

#[test]
fn one_function_at_a_time_is_another() {
    let home = Home::new();
    let version = |leaf, middle| Version { leaf, middle };
    let mut alive = Vec::new();
    let versions = [
        (version(1, 1), [false, false, false, false]),
        (version(1, 1), [true, true, true, true]),
        (version(2, 1), [false, true, true, true]),
        (version(2, 1), [true, true, true, true]),
        (version(2, 3), [true, false, true, true]),
        (version(1, 3), [true, true, true, true]),
        (version(4, 4), [false, false, true, true]),
        (version(1, 1), [true, true, true, true]),
    ];
    for (version, loaded) in versions {
        let program = program(&home.open(), version);
        assert_eq!(program.loaded(), loaded, "{version:?}");
        program.check(version);
        program.module.flush_cache();
        alive.push((program, version));
    }
    // Modules that live side by side have nothing to do with each other.
    for (program, version) in &alive {
        program.check(*version);
    }
}

/// Scopes with many images have them merged into one, which then has several functions of a name.
#[test]
fn functions_of_one_name_share_an_image() {
    let home = Home::new();
    for round in 0..2 {
        for leaf in 0..12 {
            let version = Version {
                leaf,
                middle: leaf % 2,
            };
            let program = program(&home.open(), version);
            program.check(version);
            assert!(round == 0 || program.loaded().iter().all(|is_loaded| *is_loaded));
            program.module.flush_cache();
        }
    }
}

/// Another definition comes between two finalizations, when code of the image may be running.
#[test]
fn functions_are_found_between_finalizations() {
    let home = Home::new();
    for round in 0..3 {
        let mut module = module(&home.open());
        let one = signature(&module, 1);
        let leaf = declare(&mut module, "leaf", 1);
        define(&mut module, leaf, &mut |_, body, params| {
            body.ins().iadd_imm_s(params[0], round / 2)
        });
        for index in 0..40_i64 {
            let name = format!("caller{index}");
            let id = module.declare_function(&name, Linkage::Export, &one);
            let id = id.expect("a new name");
            define(&mut module, id, &mut |module, body, params| {
                let leaf = module.declare_func_in_func(leaf, body.func);
                let call = body.ins().call(leaf, &[params[0]]);
                let value = body.inst_results(call)[0];
                body.ins().iadd_imm_s(value, index)
            });
            module.finalize_definitions().expect("all is defined");
            assert_eq!(call(&module, id, 100), 100 + index + round / 2);
            assert_eq!(module.is_loaded(id), Some(round > 0));
        }
        assert_eq!(module.is_loaded(leaf), Some(round == 1));
    }
}
