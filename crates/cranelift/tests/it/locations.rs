//! Source locations: kept as distances, told as they are.

#![expect(
    clippy::result_large_err,
    reason = "`ModuleError` is what Cranelift's modules return"
)]

use cranelift_codegen::Context;
use cranelift_codegen::ir::{InstBuilder, SourceLoc, TrapCode};
use cranelift_module::{FuncId, FuncOrDataId, Module, ModuleError};
use rekindle_cranelift::{JITModule, KeyBuilder};

use crate::support::{Home, build, call, declare, module};

/// How code is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Keyed,
    Program,
}

/// `f(x) = x + x * x`, whose instructions are at these lines.
fn build_at(module: &mut JITModule, ctx: &mut Context, id: FuncId, lines: [u32; 3]) {
    build(module, ctx, id, &mut |_, body, params| {
        body.set_srcloc(SourceLoc::new(lines[0]));
        body.ins()
            .trapz(params[0], TrapCode::user(3).expect("not reserved"));
        body.set_srcloc(SourceLoc::new(lines[1]));
        let square = body.ins().imul(params[0], params[0]);
        body.set_srcloc(SourceLoc::new(lines[2]));
        body.ins().iadd(params[0], square)
    });
}

/// Defines `f` and says whether it was found, and at which lines it is said to be: by its tables, and by
/// address.
fn lines_of(home: &Home, way: Way, lines: [u32; 3]) -> (bool, Vec<u32>) {
    let mut module = module(&home.open());
    let key = KeyBuilder::new("test/locations").finish();
    let define = |module: &mut JITModule| {
        let id = declare(module, "f", 1);
        let mut ctx = module.make_context();
        build_at(module, &mut ctx, id, lines);
        module.define_function(id, &mut ctx)
    };
    match way {
        Way::Plain => define(&mut module).expect("sound"),
        Way::Keyed => {
            let id = declare(&mut module, "f", 1);
            let build = |module: &mut JITModule, ctx: &mut Context| {
                build_at(module, ctx, id, lines);
                Ok::<_, ModuleError>(())
            };
            module.define_trusting_key(&key, id, build).expect("sound");
        }
        Way::Program => {
            module.define_program(&key, define).expect("sound");
        }
    }
    module.finalize_definitions().expect("all is defined");
    let Some(FuncOrDataId::Func(id)) = module.get_name("f") else {
        panic!("it is a function")
    };
    assert_eq!(call(&module, id, 3), 12);
    let tables = module.function_tables(id).expect("it is defined");
    let entry = module.get_finalized_function(id);
    let mut told = Vec::new();
    for (range, location) in &tables.source_locations {
        let located = module.locate(entry.wrapping_add(range.start as usize));
        let located = located.expect("it is code").source_location;
        assert_eq!(located, Some(location.bits()));
        told.push(location.bits());
    }
    (module.is_loaded(id) == Some(true), told)
}

/// All lines that are told are the function's, and all of the function's are told.
fn judge(told: &[u32], lines: [u32; 3], way: Way) {
    for line in lines {
        assert!(told.contains(&line), "{way:?}: {told:?} lacks {line}");
    }
    for line in told {
        assert!(lines.contains(line), "{way:?}: {line} isn't of {lines:?}");
    }
}

#[test]
fn a_function_that_moved_to_another_line_is_found_and_told_there() {
    let home = Home::new();
    let starts = [100, 101, 5000, 0, u32::MAX - 10];
    for (round, start) in starts.into_iter().enumerate() {
        let lines = [start, start + 1, start + 2];
        let (is_found, told) = lines_of(&home, Way::Plain, lines);
        assert_eq!(is_found, round > 0, "{start}");
        judge(&told, lines, Way::Plain);
    }
}

#[test]
fn locations_before_the_first_are_distances_too() {
    let home = Home::new();
    for (round, start) in [100, 5000].into_iter().enumerate() {
        let lines = [start, start - 50, start + 2];
        let (is_found, told) = lines_of(&home, Way::Plain, lines);
        assert_eq!(is_found, round > 0, "{start}");
        judge(&told, lines, Way::Plain);
    }
}

#[test]
fn a_line_within_a_function_is_a_miss() {
    let home = Home::new();
    lines_of(&home, Way::Plain, [100, 101, 102]);
    let lines = [100, 102, 103];
    let (is_found, told) = lines_of(&home, Way::Plain, lines);
    assert!(!is_found);
    judge(&told, lines, Way::Plain);
}

/// Two modules of one process have one code and two places.
#[test]
fn modules_that_share_code_have_lines_of_their_own() {
    let home = Home::new();
    lines_of(&home, Way::Plain, [1, 2, 3]);
    let cache = home.open();
    let modules = [10, 20].map(|start| {
        let mut module = module(&cache);
        let id = declare(&mut module, "f", 1);
        let mut ctx = module.make_context();
        build_at(&mut module, &mut ctx, id, [start, start + 1, start + 2]);
        module.define_function(id, &mut ctx).expect("sound");
        module.finalize_definitions().expect("all is defined");
        (module, id, start)
    });
    for (module, id, start) in &modules {
        assert_eq!(module.is_loaded(*id), Some(true));
        let entry = module.get_finalized_function(*id);
        let tables = module.function_tables(*id).expect("it is defined");
        let first = tables.source_locations[0].1.bits();
        let located =
            module.locate(entry.wrapping_add(tables.source_locations[0].0.start as usize));
        assert_eq!(located.expect("code").source_location, Some(first));
        assert!((*start..start + 3).contains(&first), "{first}");
    }
}

/// Under a key of the embedder's nobody knows where the function is now: it is where it was.
#[test]
fn keyed_code_and_programs_keep_locations_as_they_are() {
    for way in [Way::Keyed, Way::Program] {
        let home = Home::new();
        // Its function is found, for a program at another place.
        lines_of(&home, Way::Plain, [7, 8, 9]);
        let lines = [1000, 1001, 1002];
        for round in 0..3 {
            let (is_found, told) = lines_of(&home, way, lines);
            assert_eq!(is_found, round > 0 || way == Way::Program, "{way:?}");
            judge(&told, lines, way);
        }
    }
}
