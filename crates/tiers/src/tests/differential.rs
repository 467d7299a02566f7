//! Random programs, interpreted and compiled: registers, memory, flags and faults must agree.

use rekindle_hart::Exit;
use rekindle_testkit::fuzz::{Pool, Random};
use rv_isa::{BranchOp, FReg, Inst, LoadOp, StoreOp, XReg};

use super::{Bench, DATA_LEN};

/// The register that holds the address of the data.
const DATA: XReg = XReg::new(5);

/// The register that counts loops.
const COUNTER: XReg = XReg::new(7);

/// What random instructions use; none writes the address of the data.
fn pool() -> Pool {
    let targets = [0, 1, 2, 6, 8, 10, 11, 12, 15, 28].map(XReg::new);
    let mut sources = targets.to_vec();
    sources.push(DATA);
    Pool {
        targets: targets.to_vec(),
        sources,
        floats: (0..6).map(FReg::new).collect(),
        bases: vec![DATA],
        atomic_base: DATA,
        reach: 1000,
    }
}

/// Runs `program` both ways from the same random state.
fn compare(bench: &mut Bench, random: &mut Random, program: &[Inst], frm: u32) {
    let end = bench.load(program);
    let mut x = [0; 32];
    let mut f = [0; 32];
    x[1..].fill_with(|| random.integer());
    f.fill_with(|| random.float());
    x[COUNTER.index()] = 1 + random.below(3);
    x[DATA.index()] = bench.data + DATA_LEN / 2 + random.pick(&[0, 0, 0, 4, 1]);
    let mut data = vec![0; DATA_LEN as usize];
    data.fill_with(|| random.number() as u8);

    bench.set_data(&data);
    let mut state = bench.start(&x, &f, frm);
    let exit = bench.interpret(&mut state);
    let expected = bench.see(&state, exit);
    let floating = random.below(2) == 0;
    bench.set_data(&data);
    let mut state = bench.start(&x, &f, frm);
    let exact_faults = random.below(2) == 0;
    let exit = bench.run_compiled(&mut state, floating, exact_faults);
    let mut found = bench.see(&state, exit);
    if let Exit::Fault(_) = found.exit
        && !exact_faults
    {
        // Nobody looks at more than the PC.
        (found.x, found.f, found.fflags) = (expected.x, expected.f, expected.fflags);
    }
    let text: Vec<String> = program.iter().map(|inst| format!("{inst:?}")).collect();
    assert!(found.data == expected.data, "memory after {text:#?}");
    assert_eq!(
        (found.exit, found.pc - bench.code, found.fflags, found.frm),
        (
            expected.exit,
            expected.pc - bench.code,
            expected.fflags,
            expected.frm
        ),
        "exit, pc, fflags, frm after {text:#?}, end {:#x}, from x {x:x?} f {f:x?} frm {frm}",
        end - bench.code
    );
    for register in 0..32 {
        assert_eq!(
            (found.x[register], found.f[register]),
            (expected.x[register], expected.f[register]),
            "x{register} {:#x} {:#x}, f{register} {:#x} {:#x} after {text:#?} from x {x:x?} f {f:x?} frm {frm}",
            found.x[register],
            expected.x[register],
            found.f[register],
            expected.f[register],
        );
    }
}

fn compare_many(seed: u64, count: u64, frm: &[u32], mut next: impl FnMut(&mut Random) -> Inst) {
    let mut bench = Bench::new();
    let mut random = Random(seed);
    for _ in 0..count {
        let len = 1 + random.below(8);
        let program: Vec<Inst> = (0..len).map(|_| next(&mut random)).collect();
        let frm = random.pick(frm);
        compare(&mut bench, &mut random, &program, frm);
    }
}

#[test]
fn integer_arithmetic_agrees() {
    compare_many(1, 3000, &[0], |random| random.integer_instruction(&pool()));
}

#[test]
fn memory_accesses_agree() {
    compare_many(2, 1500, &[0], |random| match random.below(3) {
        0 => random.integer_instruction(&pool()),
        _ => random.memory_instruction(&pool()),
    });
}

#[test]
fn floating_point_agrees() {
    compare_many(3, 6000, &[0, 0, 0, 1, 2, 3, 4, 7], |random| {
        random.float_instruction(&pool())
    });
}

#[test]
fn floating_point_environment_agrees() {
    compare_many(4, 2000, &[0, 1, 2, 3], |random| match random.below(4) {
        0 => random.environment_instruction(&pool()),
        _ => random.float_instruction(&pool()),
    });
}

/// Loops and branches: a counter in [`COUNTER`], a body of anything, branches over parts of it.
#[test]
fn control_flow_agrees() {
    let mut bench = Bench::new();
    let mut random = Random(5);
    for round in 0..1500 {
        // Half of the loops begin where the region does.
        let mut program = Vec::new();
        if round % 4 < 2 {
            program.push(random.float_instruction(&pool()));
        }
        let start = program.len();
        let len = 2 + random.below(10) as i32;
        for index in 0..len {
            program.push(match random.below(8) {
                0 | 1 => {
                    let ahead = 1 + random.below((len - index) as u64) as i32;
                    let (rs1, rs2) = (XReg::new(10), XReg::new(11));
                    Inst::Branch {
                        op: random.pick(BranchOp::ALL),
                        rs1,
                        rs2,
                        offset: 4 * ahead,
                    }
                }
                2 | 3 => random.memory_instruction(&pool()),
                4 | 5 if round % 2 == 0 => random.float_instruction(&pool()),
                _ => random.integer_instruction(&pool()),
            });
        }
        program.push(Inst::AluImm {
            op: rv_isa::AluImmOp::Addi,
            rd: COUNTER,
            rs1: COUNTER,
            imm: -1,
        });
        let offset = -4 * (program.len() - start) as i32;
        program.push(Inst::Branch {
            op: BranchOp::Ne,
            rs1: COUNTER,
            rs2: XReg::ZERO,
            offset,
        });
        let frm = random.pick(&[0, 0, 1]);
        compare(&mut bench, &mut random, &program, frm);
    }
}

/// Calls that are followed, and a return to somewhere else.
#[test]
fn calls_and_returns_agree() {
    let mut bench = Bench::new();
    let mut random = Random(6);
    let mut sparing = pool();
    sparing.targets.retain(|register| *register != XReg::RA);
    let ret = Inst::Jalr {
        rd: XReg::ZERO,
        rs1: XReg::RA,
        offset: 0,
    };
    for round in 0..200 {
        // call +16; body; jump to the end; nothing; callee: body, perhaps ra += 4; return; end
        let skip = i32::from(round % 2 == 0) * 4;
        let program = [
            Inst::Jal {
                rd: XReg::RA,
                offset: 16,
            },
            random.integer_instruction(&sparing),
            random.integer_instruction(&sparing),
            Inst::Jal {
                rd: XReg::ZERO,
                offset: 16,
            },
            random.integer_instruction(&sparing),
            Inst::AluImm {
                op: rv_isa::AluImmOp::Addi,
                rd: XReg::RA,
                rs1: XReg::RA,
                imm: skip,
            },
            ret,
        ];
        compare(&mut bench, &mut random, &program, 0);
    }
}

#[test]
fn faults_name_their_instruction() {
    let mut bench = Bench::new();
    let mut random = Random(7);
    for _ in 0..300 {
        let mut program: Vec<Inst> = (0..6)
            .map(|_| random.integer_instruction(&pool()))
            .collect();
        let at = random.below(6) as usize;
        let rs1 = XReg::new(9);
        // x9 is random: nearly always an address that isn't mapped, sometimes one of the engine's.
        program[at] = match random.below(2) {
            0 => Inst::Load {
                op: LoadOp::Ld,
                rd: XReg::new(10),
                rs1,
                offset: 0,
            },
            _ => Inst::Store {
                op: StoreOp::Sd,
                rs1,
                rs2: XReg::new(10),
                offset: 0,
            },
        };
        program.insert(
            at,
            Inst::AluImm {
                op: rv_isa::AluImmOp::Addi,
                rd: rs1,
                rs1: XReg::ZERO,
                imm: random.pick(&[0, 8, 2040]),
            },
        );
        program.insert(
            at + 2,
            Inst::Alu {
                op: rv_isa::AluOp::Add,
                rd: XReg::new(10),
                rs1: XReg::new(10),
                rs2: XReg::new(11),
            },
        );
        compare(&mut bench, &mut random, &program, 0);
    }
}
