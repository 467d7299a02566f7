//! Slope, a toy language: a program is a list of functions over 64-bit floating-point numbers.
//!
//! ```text
//! fn area(r) = 3.14159265 * r * r
//! fn sum(n) = if n < 1 then 0 else area(n) + sum(n - 1)
//! ```
//!
//! `cargo run --example slope` compiles the program below and runs it. Run it again: the second
//! run says that it compiled nothing. With `-- --program`, the source text is the key of the whole
//! program, and the second run doesn't even parse it. Everything Rekindle-specific is in `main`: the
//! rest is what any front of `cranelift-jit` looks like.

use std::collections::HashMap;
use std::time::Instant;

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{AbiParam, InstBuilder, Value, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, FuncOrDataId, Linkage, Module, default_libcall_names};
use rekindle_cranelift::{JITBuilder, JITModule, KeyBuilder};

const PROGRAM: &str = "
    fn square(x) = x * x
    fn area(r) = 3.14159265 * square(r)
    fn sum(n) = if n < 1 then 0 else root(area(n)) + sum(n - 1)
    fn main(n) = sum(n) / n
";

/// What Slope programs may call of the host. Its address is a new one in each process: it reaches
/// compiled code by name, never as a constant.
extern "C" fn root(x: f64) -> f64 {
    x.sqrt()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    // With `cranelift-jit`, these lines are the same.
    let mut builder = JITBuilder::with_flags(&[("opt_level", "speed")], default_libcall_names())?;
    builder.symbol("root", root as *const u8);
    let mut module = JITModule::new(builder);
    if std::env::args().any(|argument| argument == "--program") {
        // All that `compile` reads is the source.
        let key = KeyBuilder::new("slope/program").str(PROGRAM).finish();
        module.define_program(&key, |module| compile(module, PROGRAM))?;
    } else {
        compile(&mut module, PROGRAM)?;
    }
    module.finalize_definitions()?;
    let Some(FuncOrDataId::Func(main)) = module.get_name("main") else {
        return Err("there is no function of the name main".into());
    };
    let address = module.get_finalized_function(main);
    #[expect(unsafe_code, reason = "no type can say what compiled code expects")]
    // SAFETY: every Slope function of one parameter has this type, and `module` keeps its code.
    let main = unsafe { std::mem::transmute::<*const u8, extern "C" fn(f64) -> f64>(address) };
    let ready = start.elapsed();
    let result = main(100.0);
    let statistics = module.cache_statistics();
    #[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
    {
        println!("main(100) = {result}");
        println!(
            "{} functions compiled, {} loaded, ready after {ready:?}",
            statistics.entries_inserted, statistics.entries_loaded
        );
    }
    Ok(())
}

/// Declares all functions, then defines them in order: they may call each other freely.
fn compile(module: &mut JITModule, program: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut ids = HashMap::new();
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::F64));
    signature.returns.push(AbiParam::new(types::F64));
    let root = module.declare_function("root", Linkage::Import, &signature)?;
    ids.insert("root".to_owned(), root);
    let mut definitions = Vec::new();
    for line in program
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let mut tokens = tokens(line);
        tokens.reverse();
        let mut parser = Parser { tokens };
        parser.expect("fn")?;
        let name = parser.next()?;
        parser.expect("(")?;
        let param = parser.next()?;
        parser.expect(")")?;
        parser.expect("=")?;
        let id = module.declare_function(&name, Linkage::Export, &signature)?;
        ids.insert(name, id);
        definitions.push((id, param, parser.expression()?));
    }
    let mut context = FunctionBuilderContext::new();
    for (id, param, body) in definitions {
        let mut ctx = module.make_context();
        ctx.func.signature = signature.clone();
        let mut builder = FunctionBuilder::new(&mut ctx.func, &mut context);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        let argument = builder.block_params(block)[0];
        let mut generator = Generator {
            module,
            builder,
            ids: &ids,
            param: &param,
            argument,
        };
        let result = generator.value(&body)?;
        generator.builder.ins().return_(&[result]);
        generator.builder.seal_all_blocks();
        generator.builder.finalize(generator.module.target_config());
        module.define_function(id, &mut ctx)?;
    }
    Ok(())
}

enum Expression {
    Number(f64),
    Name(String),
    Call(String, Box<Expression>),
    Binary(char, Box<Expression>, Box<Expression>),
    If(Box<Expression>, Box<Expression>, Box<Expression>),
}

/// Words, numbers and single characters.
fn tokens(line: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut joins = false;
    for character in line.chars() {
        let is_word = character.is_alphanumeric() || character == '.';
        match tokens.last_mut() {
            Some(last) if is_word && joins => last.push(character),
            _ if character.is_whitespace() => {}
            _ => tokens.push(character.to_string()),
        }
        joins = is_word;
    }
    tokens
}

/// Tokens in reverse, so that the next one is the last.
struct Parser {
    tokens: Vec<String>,
}

impl Parser {
    fn next(&mut self) -> Result<String, String> {
        self.tokens
            .pop()
            .ok_or_else(|| "the program ends too early".to_owned())
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        let found = self.next()?;
        if found == token {
            Ok(())
        } else {
            Err(format!("{token} instead of {found}"))
        }
    }

    fn peek(&self) -> &str {
        self.tokens.last().map_or("", String::as_str)
    }

    fn expression(&mut self) -> Result<Expression, String> {
        if self.peek() == "if" {
            self.expect("if")?;
            let condition = Box::new(self.expression()?);
            self.expect("then")?;
            let then = Box::new(self.expression()?);
            self.expect("else")?;
            return Ok(Expression::If(
                condition,
                then,
                Box::new(self.expression()?),
            ));
        }
        self.binary(&["<", "+-", "*/"])
    }

    /// Operators of the first level bind loosest; all associate to the left.
    fn binary(&mut self, levels: &[&str]) -> Result<Expression, String> {
        let [operators, rest @ ..] = levels else {
            return self.atom();
        };
        let mut left = self.binary(rest)?;
        while let Some(operator) = self
            .peek()
            .chars()
            .next()
            .filter(|c| operators.contains(*c))
        {
            self.next()?;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.binary(rest)?));
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Expression, String> {
        let token = self.next()?;
        if token == "(" {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if let Ok(number) = token.parse() {
            return Ok(Expression::Number(number));
        }
        if self.peek() == "(" {
            self.expect("(")?;
            let argument = Box::new(self.expression()?);
            self.expect(")")?;
            return Ok(Expression::Call(token, argument));
        }
        Ok(Expression::Name(token))
    }
}

/// Turns one function's body into CLIF.
struct Generator<'a> {
    module: &'a mut JITModule,
    builder: FunctionBuilder<'a>,
    ids: &'a HashMap<String, FuncId>,
    param: &'a str,
    argument: Value,
}

impl Generator<'_> {
    fn value(&mut self, expression: &Expression) -> Result<Value, String> {
        Ok(match expression {
            Expression::Number(number) => self.builder.ins().f64const(*number),
            Expression::Name(name) if name == self.param => self.argument,
            Expression::Name(name) => return Err(format!("nothing is called {name}")),
            Expression::Call(name, argument) => {
                let argument = self.value(argument)?;
                let id = self
                    .ids
                    .get(name)
                    .ok_or(format!("no function is called {name}"))?;
                let callee = self.module.declare_func_in_func(*id, self.builder.func);
                let call = self.builder.ins().call(callee, &[argument]);
                self.builder.inst_results(call)[0]
            }
            Expression::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                match operator {
                    '+' => self.builder.ins().fadd(left, right),
                    '-' => self.builder.ins().fsub(left, right),
                    '*' => self.builder.ins().fmul(left, right),
                    '/' => self.builder.ins().fdiv(left, right),
                    _ => {
                        let less = self.builder.ins().fcmp(FloatCC::LessThan, left, right);
                        self.builder.ins().fcvt_from_uint(types::F64, less)
                    }
                }
            }
            Expression::If(condition, then, other) => self.choice(condition, then, other)?,
        })
    }

    fn choice(
        &mut self,
        condition: &Expression,
        then: &Expression,
        other: &Expression,
    ) -> Result<Value, String> {
        let condition = self.value(condition)?;
        let zero = self.builder.ins().f64const(0.0);
        let holds = self.builder.ins().fcmp(FloatCC::NotEqual, condition, zero);
        let [yes, no, join] = [(); 3].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(join, types::F64);
        self.builder.ins().brif(holds, yes, &[], no, &[]);
        for (block, branch) in [(yes, then), (no, other)] {
            self.builder.switch_to_block(block);
            let value = self.value(branch)?;
            self.builder.ins().jump(join, &[value.into()]);
        }
        self.builder.switch_to_block(join);
        Ok(result)
    }
}
