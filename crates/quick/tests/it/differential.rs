//! Random programs, interpreted and translated: registers, memory, exceptions and faults must agree.

use rekindle_hart::Exit;
use rekindle_testkit::fuzz::{Pool, Random};
use rv_isa::{AluImmOp, AluOp, BranchOp, FReg, Inst, LoadOp, StoreOp, XReg};

use crate::bench::{Bench, DATA_LEN};

/// Registers with roles; the others are random.
#[derive(Clone, Debug)]
struct Roles {
    /// These hold the address of the data.
    data: [XReg; 2],
    /// This one counts loops.
    counter: XReg,
    pool: Pool,
}

/// How many times as many cases: for long runs.
fn factor() -> u64 {
    let text = std::env::var("REKINDLE_QUICK_CASES");
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Random registers, wherever they live; no instruction of the pool writes one with a role.
fn roles(random: &mut Random) -> Roles {
    let mut others: Vec<u8> = (1..32).collect();
    let mut take = |random: &mut Random| {
        let index = random.below(others.len() as u64) as usize;
        XReg::new(others.swap_remove(index))
    };
    let data = [take(random), take(random)];
    let counter = take(random);
    let mut targets: Vec<XReg> = (0..10).map(|_| take(random)).collect();
    targets.push(XReg::ZERO);
    let sources = [targets.as_slice(), &data].concat();
    let mut floats: Vec<FReg> = Vec::new();
    floats.resize_with(8, || FReg::new(random.number() as u8));
    Roles {
        data,
        counter,
        pool: Pool {
            targets,
            sources,
            floats,
            bases: data.to_vec(),
            atomic_base: random.pick(&data),
            reach: random.pick(&[2, 100, 1000]),
        },
    }
}

/// Runs `program` both ways from the same random state.
fn compare(bench: &mut Bench, random: &mut Random, roles: &Roles, program: &[Inst], frm: u32) {
    let mut coin = random.clone();
    let compresses = coin.below(2) == 0;
    bench.load(program, || compresses && coin.below(4) != 0);
    let mut x = [0; 32];
    let mut f = [0; 32];
    x[1..].fill_with(|| random.integer());
    f.fill_with(|| random.float());
    x[roles.counter.index()] = 1 + random.below(3);
    let data = bench.data + DATA_LEN / 2 + random.pick(&[0, 0, 0, 4, 1]);
    for register in roles.data {
        x[register.index()] = data;
    }
    let mut data = vec![0; DATA_LEN as usize];
    data.fill_with(|| random.number() as u8);

    bench.set_data(&data);
    let mut state = bench.start(&x, &f, frm);
    let exit = bench.interpret(&mut state, false);
    let expected = bench.see(&state, exit);
    bench.set_data(&data);
    let mut state = bench.start(&x, &f, frm);
    let floats = random.below(2) == 0;
    let exit = bench.run_translated(&mut state, floats);
    let found = bench.see(&state, exit);
    let text: Vec<String> = program.iter().map(|inst| format!("{inst:?}")).collect();
    let text = || format!("after {text:#?} from x {x:x?} f {f:x?} frm {frm}");
    assert!(found.data == expected.data, "memory {}", text());
    assert_eq!(
        (found.exit, found.pc - bench.code, found.fflags, found.frm),
        (
            expected.exit,
            expected.pc - bench.code,
            expected.fflags,
            expected.frm
        ),
        "exit, pc, fflags, frm {}",
        text()
    );
    for register in 0..32 {
        assert_eq!(
            (found.x[register], found.f[register]),
            (expected.x[register], expected.f[register]),
            "x{register} {:#x} {:#x}, f{register} {:#x} {:#x} {}",
            found.x[register],
            expected.x[register],
            found.f[register],
            expected.f[register],
            text()
        );
    }
}

fn compare_many(
    seed: u64,
    count: u64,
    frm: &[u32],
    mut next: impl FnMut(&mut Random, &Pool) -> Inst,
) -> Bench {
    let mut bench = Bench::new();
    let mut random = Random(seed);
    for _ in 0..count * factor() {
        let len = 1 + random.below(8);
        let roles = roles(&mut random);
        let pool = &roles.pool;
        let program: Vec<Inst> = (0..len).map(|_| next(&mut random, pool)).collect();
        let frm = random.pick(frm);
        compare(&mut bench, &mut random, &roles, &program, frm);
    }
    bench
}

#[test]
fn integer_arithmetic_agrees_and_is_never_interpreted() {
    let bench = compare_many(1, 30_000, &[0], Random::integer_instruction);
    // The breakpoint at the end is.
    assert_eq!(bench.interpreted, 30_000 * factor());
}

#[test]
fn memory_accesses_agree() {
    compare_many(2, 15_000, &[0], |random, pool| match random.below(3) {
        0 => random.integer_instruction(pool),
        _ => random.memory_instruction(pool),
    });
}

#[test]
fn floating_point_agrees() {
    compare_many(
        3,
        60_000,
        &[0, 0, 0, 1, 2, 3, 4, 7],
        Random::float_instruction,
    );
}

#[test]
fn floating_point_environment_agrees() {
    compare_many(4, 10_000, &[0, 1, 2, 3], |random, pool| {
        match random.below(4) {
            0 => random.environment_instruction(pool),
            _ => random.float_instruction(pool),
        }
    });
}

/// Each operation by itself, with operands that sit in every kind of place, one register twice included.
#[test]
fn every_integer_operation_agrees_wherever_its_operands_are() {
    let mut bench = Bench::new();
    let mut random = Random(8);
    let places = [0, 1, 14, 15, 18, 28, 29].map(XReg::new);
    for _ in 0..2 * factor() {
        let roles = roles(&mut random);
        for rd in places {
            for rs1 in places {
                for op in rv_isa::AluUnaryOp::ALL {
                    let inst = Inst::AluUnary { op: *op, rd, rs1 };
                    compare(&mut bench, &mut random, &roles, &[inst], 0);
                }
                let program = AluImmOp::ALL.iter().map(|op| {
                    let imm = match op {
                        AluImmOp::Slliw | AluImmOp::Srliw | AluImmOp::Sraiw | AluImmOp::Roriw => {
                            random.pick(&[0, 1, 31])
                        }
                        _ => random.pick(&[0, 1, 31, 63]),
                    };
                    Inst::AluImm {
                        op: *op,
                        rd,
                        rs1,
                        imm,
                    }
                });
                for inst in program.collect::<Vec<_>>() {
                    compare(&mut bench, &mut random, &roles, &[inst], 0);
                }
                for rs2 in places {
                    for op in AluOp::ALL {
                        let inst = Inst::Alu {
                            op: *op,
                            rd,
                            rs1,
                            rs2,
                        };
                        compare(&mut bench, &mut random, &roles, &[inst], 0);
                    }
                }
            }
        }
    }
}

/// Loops and branches: a counter, a body of anything, branches over parts of it.
#[test]
fn control_flow_agrees() {
    let mut bench = Bench::new();
    let mut random = Random(5);
    for round in 0..10_000 * factor() {
        let roles = roles(&mut random);
        let pool = &roles.pool;
        // Half of the loops begin where the piece does.
        let mut program = Vec::new();
        if round % 4 < 2 {
            program.push(random.float_instruction(pool));
        }
        let start = program.len();
        let len = 2 + random.below(10) as i32;
        for index in 0..len {
            program.push(match random.below(8) {
                0 | 1 => {
                    let ahead = 1 + random.below((len - index) as u64) as i32;
                    Inst::Branch {
                        op: random.pick(BranchOp::ALL),
                        rs1: random.pick(&pool.sources),
                        rs2: random.pick(&pool.sources),
                        offset: 4 * ahead,
                    }
                }
                2 | 3 => random.memory_instruction(pool),
                4 | 5 if round % 2 == 0 => random.float_instruction(pool),
                _ => random.integer_instruction(pool),
            });
        }
        program.push(Inst::AluImm {
            op: AluImmOp::Addi,
            rd: roles.counter,
            rs1: roles.counter,
            imm: -1,
        });
        let offset = -4 * (program.len() - start) as i32;
        program.push(Inst::Branch {
            op: BranchOp::Ne,
            rs1: roles.counter,
            rs2: XReg::ZERO,
            offset,
        });
        let frm = random.pick(&[0, 0, 1]);
        compare_whole(&mut bench, &mut random, &roles, &program, frm);
    }
}

/// As [`compare`], without compression: offsets count words.
fn compare_whole(
    bench: &mut Bench,
    random: &mut Random,
    roles: &Roles,
    program: &[Inst],
    frm: u32,
) {
    // The generator's next number decides; one that doesn't compress is looked for.
    while random.clone().below(2) == 0 {
        random.number();
    }
    compare(bench, random, roles, program, frm);
}

/// Calls and returns, near and far, and a return to somewhere else.
#[test]
fn calls_and_returns_agree() {
    let mut bench = Bench::new();
    let mut random = Random(6);
    for round in 0..3000 * factor() {
        let roles = roles(&mut random);
        let mut sparing = roles.pool.clone();
        let (link, far) = (sparing.targets[0], sparing.targets[1]);
        sparing.targets.retain(|register| *register != link);
        let skip = i32::from(round % 2 == 0) * 4;
        let call = match round % 3 {
            0 => [
                Inst::Auipc { rd: far, imm: 0 },
                Inst::Jalr {
                    rd: link,
                    rs1: far,
                    offset: 20,
                },
            ],
            1 => [
                Inst::Auipc { rd: link, imm: 0 },
                Inst::Jalr {
                    rd: link,
                    rs1: link,
                    offset: 20,
                },
            ],
            _ => [
                Inst::AluImm {
                    op: AluImmOp::Addi,
                    rd: far,
                    rs1: XReg::ZERO,
                    imm: 0,
                },
                Inst::Jal {
                    rd: link,
                    offset: 16,
                },
            ],
        };
        // The call; what it returns to, and over which perhaps; a jump to the end; the callee.
        let program = [
            call[0],
            call[1],
            random.integer_instruction(&sparing),
            random.integer_instruction(&sparing),
            Inst::Jal {
                rd: XReg::ZERO,
                offset: 16,
            },
            random.integer_instruction(&sparing),
            Inst::AluImm {
                op: AluImmOp::Addi,
                rd: link,
                rs1: link,
                imm: skip + i32::from(round % 5 == 0),
            },
            Inst::Jalr {
                rd: XReg::ZERO,
                rs1: link,
                offset: 0,
            },
        ];
        compare_whole(&mut bench, &mut random, &roles, &program, 0);
    }
}

/// An access of any kind to where `rs1` points.
fn access(random: &mut Random, pool: &Pool, rs1: XReg) -> Inst {
    let rs2 = random.pick(&pool.sources);
    let rd = random.pick(&pool.targets);
    match random.below(5) {
        0 => Inst::Load {
            op: random.pick(LoadOp::ALL),
            rd,
            rs1,
            offset: 0,
        },
        1 => Inst::Store {
            op: random.pick(StoreOp::ALL),
            rs1,
            rs2,
            offset: 0,
        },
        2 => Inst::FpLoad {
            format: random.pick(rv_isa::FpFormat::ALL),
            rd: random.pick(&pool.floats),
            rs1,
            offset: 0,
        },
        3 => Inst::FpStore {
            format: random.pick(rv_isa::FpFormat::ALL),
            rs2: random.pick(&pool.floats),
            rs1,
            offset: 0,
        },
        _ => match random.memory_instruction(&Pool {
            atomic_base: rs1,
            bases: vec![rs1],
            reach: 1,
            ..pool.clone()
        }) {
            inst @ (Inst::Amo { .. } | Inst::LoadReserved { .. }) => inst,
            _ => Inst::Load {
                op: LoadOp::Ld,
                rd: XReg::ZERO,
                rs1,
                offset: 8,
            },
        },
    }
}

/// Faults in the middle: all registers are those before the instruction, wherever they live.
#[test]
fn registers_are_exact_at_faults() {
    let mut bench = Bench::new();
    let mut random = Random(7);
    for _ in 0..5000 * factor() {
        let roles = roles(&mut random);
        let pool = &roles.pool;
        let mut program: Vec<Inst> = (0..6)
            .map(|_| match random.below(3) {
                0 => random.float_instruction(pool),
                1 => random.memory_instruction(pool),
                _ => random.integer_instruction(pool),
            })
            .collect();
        let at = random.below(6) as usize;
        let rs1 = random.pick(&pool.targets);
        if rs1.is_zero() {
            continue;
        }
        program[at] = access(&mut random, pool, rs1);
        let (imm, shift) = random.pick(WILD);
        let address = wild_address(rs1, imm, shift);
        program.splice(at..at, address);
        compare(&mut bench, &mut random, &roles, &program, 0);
    }
}

/// Where no guest has memory, as a number and how far it is shifted: low, high, and where no host has
/// any, which hosts tell in other ways than that nothing is mapped.
const WILD: &[(i32, i32)] = &[
    (0, 0),
    (8, 0),
    (2040, 0),
    (6, 0),
    (-8, 0),
    (-4, 0),
    (1, 63),
    (1, 48),
    (-1, 47),
    (-3, 46),
];

/// Makes such an address.
fn wild_address(rd: XReg, imm: i32, shift: i32) -> [Inst; 2] {
    let make = |op, rs1, imm| Inst::AluImm { op, rd, rs1, imm };
    [
        make(AluImmOp::Addi, XReg::ZERO, imm),
        make(AluImmOp::Slli, rd, shift),
    ]
}

/// Whichever register holds the address: hosts may take some for addresses of their stack.
#[test]
fn wild_accesses_raise_the_same_signal_by_every_register() {
    let mut bench = Bench::new();
    let mut random = Random(10);
    for register in 1..32 {
        let rs1 = XReg::new(register);
        for (imm, shift) in WILD.repeat(6) {
            let roles = roles(&mut random);
            let access = access(&mut random, &roles.pool, rs1);
            let [make, move_up] = wild_address(rs1, imm, shift);
            let program = [make, move_up, access];
            compare(&mut bench, &mut random, &roles, &program, 0);
        }
    }
}

/// Where an indirect jump leads to that no code can be at, nor anything that stands for none.
#[test]
fn wild_jumps_agree() {
    let mut bench = Bench::new();
    let mut random = Random(11);
    for offset in [-1, -2, -3, -4, -2047, -2048] {
        for rd in [XReg::ZERO, XReg::RA] {
            for rs1 in [XReg::ZERO, XReg::A0, XReg::new(28)] {
                let roles = roles(&mut random);
                let zero = Inst::AluImm {
                    op: AluImmOp::Andi,
                    rd: rs1,
                    rs1,
                    imm: 0,
                };
                let jump = Inst::Jalr { rd, rs1, offset };
                compare(&mut bench, &mut random, &roles, &[zero, jump], 0);
            }
        }
    }
}

/// What ends a piece at once.
#[test]
fn system_calls_and_illegal_instructions_agree() {
    let mut bench = Bench::new();
    let mut random = Random(9);
    for inst in [Inst::Ecall, Inst::FenceI, Inst::Ebreak] {
        for _ in 0..20 {
            let roles = roles(&mut random);
            let pool = &roles.pool;
            let before = random.integer_instruction(pool);
            compare(&mut bench, &mut random, &roles, &[before, inst], 0);
        }
    }
    const DATA: XReg = XReg::new(9);
    let program = [Inst::Jalr {
        rd: XReg::ZERO,
        rs1: DATA,
        offset: 0,
    }];
    bench.load(&program, || false);
    let mut x = [0; 32];
    x[DATA.index()] = bench.data;
    bench.set_data(&vec![0; DATA_LEN as usize]);
    let mut state = bench.start(&x, &[0; 32], 0);
    let exit = bench.run_translated(&mut state, false);
    assert_eq!((exit, state.pc), (Exit::IllegalInstruction, bench.data));
}
