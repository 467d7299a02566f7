//! Addresses that are constants of a function and can be named all the same: in the program, in a shared
//! library, or in what the module itself defined. Where all that is done with such a constant is to call it,
//! load from it or store to it, the function gets a reference in its place, and can be found by processes in
//! which the same lies elsewhere.
//!
//! Nothing is guessed: the key says what is referred to, as this process found it behind the constant, and
//! the reference is bound to the same in the process that finds the code.

use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{
    ExternalName, Function, GlobalValueData, Inst, InstructionData, Opcode, UserExternalName,
    Value, types,
};
use cranelift_module::{FuncId, Linkage};

use crate::baked::{Suspect, suspects};
use crate::module::JITModule;
use crate::names::IN_OBJECTS;
use crate::objects::Objects;
use crate::operands::used_otherwise;
use crate::reference::Reference;

/// What comes of a function's constants.
pub(crate) enum Addresses {
    /// None is an address of this process.
    None,
    /// All that are can be named.
    Named(Vec<NamedAddress>),
    /// This one can't.
    Unkeepable(u64),
}

/// An address that has a name.
pub(crate) struct NamedAddress {
    /// The instruction whose result it is.
    inst: Inst,
    name: UserExternalName,
    offset: i64,
}

impl JITModule {
    /// What addresses of this process a function holds as constants, and whether all can be named.
    pub(crate) fn addresses_in(&mut self, func: &Function) -> Addresses {
        let mut found = suspects(func).filter(|suspect| suspect.is_address());
        let Some(first) = found.next() else {
            return Addresses::None;
        };
        let objects = Objects::now();
        // What the linker placed below 4 GiB is in the same place in every process.
        let moves = |suspect: &Suspect| suspect.value >> 32 != 0 || !objects.hold(suspect.value);
        let found: Vec<Suspect> = std::iter::once(first).chain(found).filter(moves).collect();
        if found.is_empty() {
            return Addresses::None;
        }
        match self.named(func, &found, &objects) {
            Ok(named) => Addresses::Named(named),
            Err(address) => Addresses::Unkeepable(address),
        }
    }

    fn named(
        &mut self,
        func: &Function,
        found: &[Suspect],
        objects: &Objects,
    ) -> Result<Vec<NamedAddress>, u64> {
        let mut results: Vec<Value> = Vec::new();
        for suspect in found {
            let inst = suspect.inst.ok_or(suspect.value)?;
            let result = func.dfg.first_result(inst);
            if func.dfg.value_type(result) != types::I64 {
                return Err(suspect.value);
            }
            results.push(result);
        }
        let otherwise = used_otherwise(func, &results);
        let mut named = Vec::with_capacity(found.len());
        for (suspect, result) in found.iter().zip(results) {
            let inst = suspect.inst.ok_or(suspect.value)?;
            if otherwise.contains(&result) {
                return Err(suspect.value);
            }
            let place = self.place_of(suspect.value, objects);
            let (name, offset) = place.ok_or(suspect.value)?;
            named.push(NamedAddress { inst, name, offset });
        }
        Ok(named)
    }

    /// The name of what lies at an address, and how far from its start.
    fn place_of(&mut self, address: u64, objects: &Objects) -> Option<(UserExternalName, i64)> {
        if let Some((build_id, offset)) = objects.name_of(address) {
            let text = Reference::Object(&build_id, offset).to_text();
            let known = self.in_objects.iter().position(|known| *known == text);
            let index = known.unwrap_or_else(|| {
                self.in_objects.push(text);
                self.in_objects.len() - 1
            });
            let name = UserExternalName::new(IN_OBJECTS, u32::try_from(index).ok()?);
            return Some((name, 0));
        }
        self.own_data_at(address)
            .or_else(|| self.own_function_at(address))
    }

    /// The module's own data object at an address.
    fn own_data_at(&self, address: u64) -> Option<(UserExternalName, i64)> {
        for (id, data) in self.data.iter() {
            let Some(data) = data else { continue };
            let offset = address.wrapping_sub(data.address.0);
            if offset < data.len as u64 {
                let decl = self.declarations.data(id);
                let is_named = decl.name.is_some() && decl.linkage != Linkage::Import;
                let name = UserExternalName::new(1, id.as_u32());
                return is_named.then_some((name, offset.cast_signed()));
            }
        }
        None
    }

    /// The module's own function whose entry point an address is.
    fn own_function_at(&self, address: u64) -> Option<(UserExternalName, i64)> {
        let is_it = |id: &FuncId| {
            let function = self.functions[*id].as_ref();
            function.is_some_and(|function| function.address.0 == address)
        };
        let id = self.functions.keys().find(is_it)?;
        let is_named = self.declarations.function(id).name.is_some();
        is_named.then(|| (UserExternalName::new(0, id.as_u32()), 0))
    }
}

/// A function in which references stand in the place of these addresses.
pub(crate) fn with_references(func: &Function, addresses: &[NamedAddress]) -> Function {
    let mut func = func.clone();
    for NamedAddress { inst, name, offset } in addresses {
        let name = func.declare_imported_user_function(name.clone());
        let value = func.create_global_value(GlobalValueData::Symbol {
            name: ExternalName::user(name),
            offset: Imm64::new(*offset),
            colocated: false,
            tls: false,
        });
        // The result, an integer of the same type, stays.
        func.dfg.insts[*inst] = InstructionData::UnaryGlobalValue {
            opcode: Opcode::SymbolValue,
            global_value: value,
        };
    }
    func
}
