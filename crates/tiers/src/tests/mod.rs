//! Compiled code held against the interpreter.

mod differential;

use rekindle::{Cache, Environment, KeyBuilder, Lookup, Scope, ScopeId};
use rekindle_hart::guest_memory::{Pages, copy_in, copy_out, load16, store32};
use rekindle_hart::{CodeRange, Exit, FaultKind, GuestFault, GuestState, Interpreter, faults};
use rv_isa::{Decoded, Inst};

use crate::abi::{self, Left, LinkSlots, RegionCode};
use crate::backend::{Backend, CompileError, Request};
use crate::source::Source;
use crate::{metadata, region};

/// How much code and data there is, in bytes.
const CODE_LEN: u64 = 0x1000;
const DATA_LEN: u64 = 0x2000;

/// Guest memory with room for code and data, and both tiers over it.
struct Bench {
    pages: [Pages; 2],
    code: u64,
    data: u64,
    backend: Backend,
    scope: Scope,
    compilations: u64,
    interpreter: Interpreter,
}

/// What can be seen of a guest after it ran.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    exit: Exit,
    pc: u64,
    x: [u64; 32],
    f: [u64; 32],
    fflags: u32,
    frm: u32,
    data: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        faults::install(None, None);
        let map = |len| Pages::map(len).expect("memory");
        let pages = [map(CODE_LEN), map(DATA_LEN)];
        let [code, data] = pages.each_ref().map(|pages| pages.range().start);
        let symbols = move |name: &str| match name {
            "rekindle_vm.module_base" => Some(code),
            _ => abi::symbol(name),
        };
        let environment = Environment::builder("rekindle-vm-tests").build();
        let scope =
            Cache::in_memory().scope(&environment, ScopeId::from_name("tests"), Box::new(symbols));
        Self {
            pages,
            code,
            data,
            backend: Backend::new().expect("Cranelift"),
            scope,
            compilations: 0,
            interpreter: Interpreter::new(false),
        }
    }

    /// Writes a program and a breakpoint after it; returns where the breakpoint is.
    fn load(&mut self, program: &[Inst]) -> u64 {
        let mut address = self.code;
        for inst in program.iter().chain([&Inst::Ebreak]) {
            let word = rv_isa::encode(inst).expect("an instruction that encodes");
            store32(address, word).expect("code memory");
            address += 4;
        }
        self.interpreter.invalidate(&(0..u64::MAX));
        address - 4
    }

    fn fetch(&self, pc: u64) -> Option<Decoded> {
        if !(self.code..self.code + CODE_LEN - 4).contains(&pc) {
            return None;
        }
        let (low, high) = (load16(pc).ok()?, load16(pc + 2).ok()?);
        rv_isa::decode(u32::from(high) << 16 | u32::from(low))
    }

    fn start(&self, x: &[u64; 32], f: &[u64; 32], frm: u32) -> Box<GuestState> {
        let mut state = GuestState::new();
        (state.x, state.f, state.frm, state.pc) = (*x, *f, frm, self.code);
        state
    }

    fn set_data(&self, data: &[u8]) {
        copy_out(self.data, data).expect("data memory");
    }

    fn see(&self, state: &GuestState, exit: Exit) -> Seen {
        let mut data = vec![0; DATA_LEN as usize];
        copy_in(&mut data, self.data).expect("data memory");
        let GuestState {
            pc,
            x,
            f,
            fflags,
            frm,
            ..
        } = *state;
        Seen {
            exit,
            pc,
            x,
            f,
            fflags,
            frm,
            data,
        }
    }

    /// Interprets until something other than a block's end happens.
    fn interpret(&mut self, state: &mut GuestState) -> Exit {
        let ranges = self.pages.each_ref().map(Pages::range);
        let executable = |address| {
            let range = ranges.iter().find(|it| it.contains(&address))?;
            Some(CodeRange {
                range: range.clone(),
                is_fixed: false,
            })
        };
        self.interpreter.run(state, &executable, true)
    }

    /// Runs compiled regions wherever there can be any.
    fn run_compiled(&mut self, state: &mut GuestState, floating: bool, exact_faults: bool) -> Exit {
        loop {
            let Some(region) = region::discover(state.pc, &|pc| self.fetch(pc)) else {
                return self.interpret(state);
            };
            let request = Request {
                floating_base: floating.then_some(self.code),
                exact_faults,
                is_dumped: false,
                source: Source::default(),
            };
            let artifact = self
                .backend
                .compile(&region, "region".to_owned(), &request)
                .expect("a compiled region");
            self.compilations += 1;
            let key = KeyBuilder::new("test").u64(self.compilations).finish();
            let Lookup::Miss(ticket) = self.scope.lookup(&key) else {
                panic!("a hit")
            };
            let code = self
                .scope
                .insert(ticket, artifact)
                .expect("executable memory");
            let entry = RegionCode::of(&code).expect("a region");
            let tables = metadata::decode(region.head, code.metadata())
                .expect("tables")
                .tables;
            let slots = LinkSlots::new(&code, tables.slots.len());
            match abi::enter(state, entry) {
                Left::Unlinked => {
                    let address = rekindle::HostAddr(state.exit_slot());
                    let slot = slots.index_of(address).expect("a slot of this region");
                    state.pc = tables.slots[slot];
                }
                Left::Indirect => {}
                Left::Interpret => return self.interpret(state),
                Left::Syscall => return Exit::Syscall,
                Left::Fault => {
                    let record = faults::take_fault().expect("a fault");
                    let located = self.scope.locate(rekindle::HostAddr(record.host_pc));
                    let trap = located.and_then(|located| located.trap).expect("a trap");
                    state.pc = tables.accesses[usize::from(trap) - 1];
                    let kind = FaultKind::from_signal(record.signal);
                    return Exit::Fault(GuestFault {
                        address: record.address,
                        kind,
                    });
                }
            }
        }
    }
}

/// What isn't translated was a no-op once.
#[test]
fn a_region_with_an_instruction_that_nobody_translates_isn_t_compiled() {
    let mut bench = Bench::new();
    bench.load(&[Inst::Jal {
        rd: rv_isa::XReg::ZERO,
        offset: 0,
    }]);
    let region = region::discover(bench.code, &|pc| bench.fetch(pc)).expect("a region");
    let request = Request {
        floating_base: None,
        exact_faults: false,
        is_dumped: false,
        source: Source::default(),
    };
    let compiled = bench.backend.compile(&region, String::new(), &request);
    assert!(compiled.is_ok());
    for inst in [Inst::Ecall, Inst::Ebreak, Inst::FenceI] {
        let mut region = region.clone();
        region.blocks[0].instructions[0].inst = inst;
        let compiled = bench.backend.compile(&region, String::new(), &request);
        assert!(
            matches!(compiled, Err(CompileError::Untranslated(_))),
            "{inst:?}"
        );
    }
}
