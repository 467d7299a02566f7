//! What a key's parts consist of, in brief: enough to say later which instruction, constant or reference
//! differs. It is kept with the code, in a byte or two for each thing and within bounds.

use cranelift_codegen::ir::{
    AbiParam, ExternalName, Function, GlobalValueData, InstructionData, Signature,
};
use rekindle::{KeyItem, KeyItems, KeyPart, ORDER_ASIDE};
use rustc_hash::FxHashMap;

use super::tables::write_external_name;
use super::writer::mixed;
use super::{Names, Walk, Writer, order, tables, write_signature};

/// The most items of a part; of a larger part, each stands for several things.
const MAX_ITEMS: usize = 256;

/// The most bytes of a text that says more than what kind of thing it is.
const MAX_TEXT_LEN: usize = 64;

/// The most bytes of such texts of a part.
const MAX_TEXTS_LEN: usize = 512;

/// Adds to the parts of a function's key what they consist of, and a part that knows of no order.
pub(crate) fn add_brief(func: &Function, names: &dyn Names, parts: &mut Vec<KeyPart>) {
    let scratch = &mut Writer::new();
    for part in parts.iter_mut() {
        part.items = match &*part.name {
            "signature" => signature(&func.signature, scratch),
            "stack slots and global values" => slots(func, names, scratch),
            "references, tables and constants" => references(func, names, scratch),
            "body" => body(func, scratch),
            _ => KeyItems::default(),
        };
    }
    parts.push(KeyPart {
        name: ORDER_ASIDE.into(),
        hash: order::hash_without_order(func, names, scratch),
        items: KeyItems::default(),
    });
}

fn signature(signature: &Signature, scratch: &mut Writer) -> KeyItems {
    let lists = [
        ("parameter", &signature.params),
        ("result", &signature.returns),
    ];
    let count = signature.params.len() + signature.returns.len() + 1;
    let mut items = Items::new(count, scratch);
    items.add("convention", || signature.call_conv.to_string(), |_| {});
    for (kind, list) in lists {
        for param in list {
            items.add(kind, || AbiParam::to_string(param), |_| {});
        }
    }
    items.items
}

fn slots(func: &Function, names: &dyn Names, scratch: &mut Writer) -> KeyItems {
    let slots = &func.sized_stack_slots;
    let count = slots.len() + func.global_values.len();
    let mut items = Items::new(count, scratch);
    for slot in slots.values() {
        let text = || format!("of {} bytes", slot.size);
        items.add("slot", text, |out| tables::write_stack_slot(slot, out));
    }
    for value in func.global_values.values() {
        let text = || match value {
            GlobalValueData::Symbol { name, .. } => shown(func, names, name),
            _ => String::new(),
        };
        items.add("global value", text, |out| {
            tables::write_global_value(value, &func.params, names, out);
        });
    }
    items.items
}

fn references(func: &Function, names: &dyn Names, scratch: &mut Writer) -> KeyItems {
    let dfg = &func.dfg;
    let count = dfg.ext_funcs.len() + dfg.constants.len();
    let mut items = Items::new(count, scratch);
    for callee in dfg.ext_funcs.values() {
        let text = || shown(func, names, &callee.name);
        items.add("reference", text, |out| {
            write_external_name(&callee.name, &func.params, names, out);
            write_signature(&dfg.signatures[callee.signature], out);
            out.number(callee.colocated.into());
        });
    }
    for (_, data) in dfg.constants.iter() {
        let text = || format!("of {} bytes", data.len());
        items.add("constant", text, |out| out.bytes(data.as_slice()));
    }
    items.items
}

fn shown(func: &Function, names: &dyn Names, name: &ExternalName) -> String {
    match name {
        ExternalName::User(reference) => {
            names.show_name(&func.params.user_named_funcs()[*reference])
        }
        other => other.display(None).to_string(),
    }
}

/// The body as it is printed: a line for each block and each instruction.
fn body(func: &Function, scratch: &mut Writer) -> KeyItems {
    let lens = func.layout.blocks();
    let lens = lens.map(|block| 1 + func.layout.block_insts(block).count());
    let mut items = Items::new(lens.sum(), scratch);
    let mut walk = Walk::new(func);
    for block in func.layout.blocks() {
        let text = || block.as_u32().to_string();
        items.add("block", text, |out| walk.write_block_head(block, out));
        for inst in func.layout.block_insts(block) {
            let data = &func.dfg.insts[inst];
            let text = || match data {
                InstructionData::UnaryImm { imm, .. } => imm.to_string(),
                InstructionData::UnaryIeee32 { imm, .. } => imm.to_string(),
                InstructionData::UnaryIeee64 { imm, .. } => imm.to_string(),
                _ => String::new(),
            };
            let name = data.opcode().to_string();
            items.add(&name, text, |out| walk.write_inst(inst, out));
        }
    }
    items.items
}

/// Items as they are gathered.
struct Items<'a> {
    items: KeyItems,
    numbers: FxHashMap<String, u32>,
    texts_len: usize,
    scratch: &'a mut Writer,
    /// How many things there were.
    count: usize,
    /// Of all that the last item stands for.
    hash: u64,
}

impl<'a> Items<'a> {
    fn new(count: usize, scratch: &'a mut Writer) -> Self {
        Self {
            items: KeyItems {
                // There are no more things than 32 bits count.
                stride: count.div_ceil(MAX_ITEMS).max(1) as u32,
                ..KeyItems::default()
            },
            numbers: FxHashMap::default(),
            texts_len: 0,
            scratch,
            count: 0,
            hash: 0,
        }
    }

    /// Adds a thing: its kind, more of it for people, and all of it.
    fn add(&mut self, kind: &str, more: impl FnOnce() -> String, write: impl FnOnce(&mut Writer)) {
        let is_first = self.count.is_multiple_of(self.items.stride as usize);
        self.count += 1;
        write(self.scratch);
        let own = self.scratch.finish_small();
        self.hash = if is_first { 0 } else { self.hash };
        self.hash = mixed(self.hash ^ own);
        if is_first {
            let text = self.text_number(kind, &more());
            self.items.items.push(KeyItem { text, hash: 0 });
        }
        if let Some(item) = self.items.items.last_mut() {
            item.hash = (self.hash >> 56) as u8;
        }
    }

    fn text_number(&mut self, kind: &str, more: &str) -> u32 {
        let mut text = kind.to_owned();
        if !more.is_empty() && self.texts_len < MAX_TEXTS_LEN {
            text.push(' ');
            text.extend(more.chars().take(MAX_TEXT_LEN));
        }
        let next = self.items.texts.len() as u32;
        let Self {
            items,
            numbers,
            texts_len,
            ..
        } = self;
        *numbers.entry(text).or_insert_with_key(|text| {
            *texts_len += text.len();
            items.texts.push(text.clone().into());
            next
        })
    }
}
