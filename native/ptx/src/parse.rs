//! From the text of PTX to instructions.

use crate::Half;
use crate::arithmetic;
use crate::program::{
    Address, Instruction, Kernel, Operand, Operation, SHARED, ShuffleMode, Space, Special, Width,
};
use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;

/// Kernels by their names.
#[derive(Default)]
pub struct Module {
    kernels: BTreeMap<String, Kernel>,
}

impl Module {
    /// Reads what NVRTC wrote.
    ///
    /// # Errors
    /// When there is something that the interpreter does not know.
    pub fn parse(text: &str) -> anyhow::Result<Module> {
        let mut module = Module::default();
        let asked: Vec<&str> = text.lines().filter(|line| line.starts_with(".extern .shared")).collect();
        for text in text.split(".visible .entry ").skip(1) {
            let (name, rest) = text.split_once('(').context("an entry has parameters")?;
            let (params, body) = rest.split_once(')').context("a list of parameters ends")?;
            let params = params.split(',').filter_map(|param| param.split_whitespace().last());
            let kernel = Reader { params: params.map(str::to_owned).collect(), ..Reader::default() };
            let kernel = kernel.read(body, &asked).with_context(|| format!("kernel `{name}`"))?;
            module.kernels.insert(name.to_owned(), kernel);
        }
        Ok(module)
    }

    /// All of both.
    pub fn with(mut self, mut other: Module) -> Module {
        self.kernels.append(&mut other.kernels);
        self
    }

    pub(crate) fn kernel(&self, name: &str) -> anyhow::Result<&Kernel> {
        self.kernels.get(name).with_context(|| format!("no kernel `{name}`"))
    }
}

#[derive(Default)]
struct Reader {
    params: Vec<String>,
    registers: BTreeMap<String, usize>,
    shared: BTreeMap<String, u64>,
    shared_bytes: u64,
    labels: BTreeMap<String, usize>,
    instructions: Vec<(Option<(usize, bool)>, String)>,
}

impl Reader {
    /// `asked`: what of shared memory has its size from a launch.
    fn read(mut self, body: &str, asked: &[&str]) -> anyhow::Result<Kernel> {
        let body: String =
            body.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
        for line in body.lines().flat_map(|line| line.split(';')).map(str::trim) {
            if let Some(label) = line.strip_suffix(':') {
                self.labels.insert(label.to_owned(), self.instructions.len());
            } else if line.starts_with(".shared") {
                self.declare(line)?;
            } else if !line.is_empty() && !line.starts_with('.') && !["{", "}"].contains(&line) {
                let (guard, rest) = match line.strip_prefix('@') {
                    None => (None, line),
                    Some(guarded) => {
                        let (register, rest) = guarded.split_once(char::is_whitespace).context("a guard")?;
                        let (register, wanted) = match register.strip_prefix('!') {
                            Some(register) => (register, false),
                            None => (register, true),
                        };
                        (Some((self.register(register), wanted)), rest.trim())
                    }
                };
                self.instructions.push((guard, rest.to_owned()));
            }
        }
        for line in asked {
            self.declare(line.trim_end_matches(';'))?;
        }
        let instructions = std::mem::take(&mut self.instructions);
        let mut code = Vec::new();
        let mut lines = Vec::new();
        for (guard, line) in instructions {
            let operation = self.operation(&line).with_context(|| format!("`{line}`"))?;
            code.push(Instruction { guard, operation });
            lines.push(line);
        }
        let Reader { params, registers, shared_bytes, .. } = self;
        Ok(Kernel { params, registers: registers.len(), shared_bytes, code, lines })
    }

    /// Such as `.shared .align 16 .b8 name[512]`.
    fn declare(&mut self, line: &str) -> anyhow::Result<()> {
        let mut words = line.split_whitespace().skip_while(|&word| word != ".align").skip(1);
        let alignment: u64 = words.next().context("an alignment")?.parse()?;
        let kind = words.next().context("a type")?;
        let (name, count) = match words.next().context("a name")?.split_once('[') {
            Some((name, "]")) => (name.to_owned(), 0),
            Some((name, count)) => (name.to_owned(), count.trim_end_matches(']').parse()?),
            None => (line.split_whitespace().last().context("a name")?.to_owned(), 1),
        };
        let at = self.shared_bytes.next_multiple_of(alignment);
        self.shared.insert(name, SHARED + at);
        self.shared_bytes = at + count * width(kind.trim_start_matches('.'))?.bytes;
        Ok(())
    }

    fn register(&mut self, name: &str) -> usize {
        let next = self.registers.len();
        *self.registers.entry(name.to_owned()).or_insert(next)
    }

    fn operand(&mut self, text: &str) -> anyhow::Result<Operand> {
        let special = |of: fn(usize) -> Special, axis: &str| {
            let axis = "xyz".find(axis).context("an axis")?;
            Ok(Operand::Special(of(axis)))
        };
        match text.split_once('.') {
            Some(("%tid", axis)) => return special(Special::Thread, axis),
            Some(("%ntid", axis)) => return special(Special::Threads, axis),
            Some(("%ctaid", axis)) => return special(Special::Block, axis),
            Some(("%nctaid", axis)) => return special(Special::Blocks, axis),
            _ => {}
        }
        match text {
            "%laneid" => return Ok(Operand::Special(Special::Lane)),
            "%clock64" => return Ok(Operand::Special(Special::Clock)),
            _ => {}
        }
        if let Some(at) = self.shared.get(text) {
            return Ok(Operand::Value(*at));
        }
        if let Some(hex) = text.strip_prefix("0f").or_else(|| text.strip_prefix("0x")) {
            return Ok(Operand::Value(u64::from_str_radix(hex, 16)?));
        }
        if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            return Ok(Operand::Value(text.parse::<i128>()? as u64));
        }
        ensure!(!text.is_empty() && !text.contains(['[', '{', ' ']), "`{text}` is no operand");
        Ok(Operand::Register(self.register(text)))
    }

    fn address(&mut self, text: &str) -> anyhow::Result<Address> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).context("an address")?;
        let (base, offset) = inner.split_once('+').unwrap_or((inner, "0"));
        Ok(Address { base: self.operand(base.trim())?, offset: offset.trim().parse()? })
    }

    /// Registers of `{a, b}`, or one.
    fn several(&mut self, text: &str) -> anyhow::Result<Vec<Operand>> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        inner.split(',').map(|one| self.operand(one.trim())).collect()
    }

    fn written(&mut self, text: &str) -> anyhow::Result<Vec<usize>> {
        let register = |operand| match operand {
            Operand::Register(register) => Ok(register),
            _ => bail!("`{text}` cannot be written"),
        };
        self.several(text)?.into_iter().map(register).collect()
    }

    fn one(&mut self, text: &str) -> anyhow::Result<usize> {
        Ok(self.written(text)?[0])
    }

    fn operation(&mut self, line: &str) -> anyhow::Result<Operation> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let list = split(rest);
        let at = |place: usize| list.get(place).map(String::as_str).context("too few operands");
        let parts: Vec<&str> = name.split('.').collect();
        Ok(match parts[0] {
            "ret" | "exit" => Operation::Return,
            "bra" => Operation::Branch { to: *self.labels.get(at(0)?).context("no such label")? },
            "bar" if parts[1] == "warp" => Operation::WarpBarrier { members: self.operand(at(0)?)? },
            "bar" | "barrier" if list.len() == 1 => Operation::Barrier,
            "vote" if name == "vote.sync.all.pred" => {
                let (of, members) = (self.operand(at(1)?)?, self.operand(at(2)?)?);
                Operation::All { to: self.one(at(0)?)?, of, members }
            }
            "shfl" => self.shuffle(parts[2], &list)?,
            "ld" if parts[1] == "param" => {
                let name = at(1)?.trim_matches(['[', ']']);
                let place =
                    self.params.iter().position(|param| param == name).context("no such parameter")?;
                Operation::LoadParam { to: self.one(at(0)?)?, place }
            }
            "ld" => {
                let (to, address) = (self.written(at(0)?)?, self.address(at(1)?)?);
                Operation::Load {
                    space: space(&parts),
                    width: width(parts[parts.len() - 1])?,
                    to,
                    at: address,
                }
            }
            "st" => {
                let (address, from) = (self.address(at(0)?)?, self.several(at(1)?)?);
                Operation::Store {
                    space: space(&parts),
                    width: width(parts[parts.len() - 1])?,
                    from,
                    at: address,
                }
            }
            "ldmatrix" => {
                ensure!(name.contains(".m8n8.x4.") && name.ends_with(".shared.b16"), "not known");
                let transposed = parts.contains(&"trans");
                Operation::LoadMatrix { to: self.written(at(0)?)?, at: self.address(at(1)?)?, transposed }
            }
            "mma" => self.multiply(name, &list)?,
            "cp" if name.starts_with("cp.async.c") && name.contains(".shared.global") => {
                let there = list.get(3).map_or(Ok(Operand::Value(u64::MAX)), |size| self.operand(size))?;
                let (to, from) = (self.address(at(0)?)?, self.address(at(1)?)?);
                Operation::CopyAsync { to, from, bytes: at(2)?.parse()?, there }
            }
            "cp" if name == "cp.async.commit_group" => Operation::CommitGroup,
            "cp" if name == "cp.async.wait_group" => Operation::WaitGroup { left: at(0)?.parse()? },
            "cp" if name == "cp.async.wait_all" => Operation::WaitGroup { left: 0 },
            "mov" if rest.contains('{') => self.packed(parts[1], &list)?,
            _ => self.computed(name, &list)?,
        })
    }

    fn packed(&mut self, kind: &str, list: &[String]) -> anyhow::Result<Operation> {
        let [to, from] = list else { bail!("two operands") };
        let bits = width(kind)?.bytes as u32 * 8;
        Ok(if to.starts_with('{') {
            let to = self.written(to)?;
            Operation::Unpack { bits: bits / to.len() as u32, to, from: self.operand(from)? }
        } else {
            let from = self.several(from)?;
            Operation::Pack { bits: bits / from.len() as u32, to: self.one(to)?, from }
        })
    }

    fn computed(&mut self, name: &str, list: &[String]) -> anyhow::Result<Operation> {
        let (to, from) = list.split_first().context("no operands")?;
        let to = self.one(to)?;
        let mut operands = [Operand::Value(0); 3];
        for (place, text) in operands.iter_mut().zip(from) {
            *place = match self.operand(text)? {
                Operand::Value(value) => Operand::Value(value & mask(name)),
                other => other,
            };
        }
        let fixed = match name {
            "lop3.b32" if from.len() == 4 => [from[3].parse()?, 0],
            "bfi.b32" | "bfi.b64" if from.len() == 4 => [from[2].parse()?, from[3].parse()?],
            _ => {
                ensure!(from.len() <= 3, "more operands than the interpreter expects");
                let with = arithmetic::compute(name).with_context(|| format!("`{name}` is not known"))?;
                return Ok(Operation::Compute { to, with, from: operands });
            }
        };
        let with = arithmetic::fixed(name, fixed).context("not known")?;
        Ok(Operation::ComputeWith { to, with, from: operands })
    }

    fn shuffle(&mut self, kind: &str, list: &[String]) -> anyhow::Result<Operation> {
        let [to, from, by, _, members] = list else { bail!("five operands") };
        let (to, found) = to.split_once('|').map_or((to.as_str(), None), |(to, found)| (to, Some(found)));
        let kind = match kind {
            "bfly" => ShuffleMode::Xor,
            "down" => ShuffleMode::Down,
            "up" => ShuffleMode::Up,
            "idx" => ShuffleMode::Index,
            _ => bail!("not known"),
        };
        let found = found.map(|found| self.one(found)).transpose()?;
        let (from, by, members) = (self.operand(from)?, self.operand(by)?, self.operand(members)?);
        Ok(Operation::Shuffle { to: self.one(to)?, found, mode: kind, from, by, members })
    }

    fn multiply(&mut self, name: &str, list: &[String]) -> anyhow::Result<Operation> {
        let half = match name.strip_prefix("mma.sync.aligned.m16n8k16.row.col.") {
            Some("f32.bf16.bf16.f32") => Half::Bf16,
            Some("f32.f16.f16.f32") => Half::Fp16,
            _ => bail!("not known"),
        };
        let [to, a, b, c] = list else { bail!("four operands") };
        let (to, a) = (self.written(to)?, self.several(a)?);
        Ok(Operation::Mma { half, to, a, b: self.several(b)?, c: self.several(c)? })
    }
}

/// Operands between commas that stand in no braces.
fn split(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut list = vec![String::new()];
    for letter in text.trim().chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match list.last_mut() {
            Some(last) if letter != ',' || depth > 0 => last.push(letter),
            _ => list.push(String::new()),
        }
    }
    list.into_iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

fn space(parts: &[&str]) -> Space {
    match parts[1] {
        "global" => Space::Global,
        "shared" => Space::Shared,
        _ => Space::Any,
    }
}

/// The bits that the operands of an instruction have.
fn mask(name: &str) -> u64 {
    match name.rsplit('.').next().map(|kind| kind.trim_start_matches(char::is_alphabetic)) {
        Some("64") => u64::MAX,
        Some("16") => 0xffff,
        Some("") => 1,
        _ => 0xffff_ffff,
    }
}

fn width(kind: &str) -> anyhow::Result<Width> {
    let bits: u64 =
        kind.trim_start_matches(char::is_alphabetic).parse().with_context(|| format!("type `{kind}`"))?;
    Ok(Width { bytes: bits / 8, signed: kind.starts_with('s') })
}
