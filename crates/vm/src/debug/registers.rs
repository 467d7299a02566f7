//! A hart's registers as GDB numbers them: `target.xml` describes them to it.

use gdbstub::arch;
use rekindle_hart::GuestState;

/// RV64GC.
#[derive(Debug)]
pub(super) enum Riscv64 {}

impl arch::Arch for Riscv64 {
    type Usize = u64;
    type Registers = Registers;
    type BreakpointKind = usize;
    type RegId = ();

    fn target_description_xml() -> Option<&'static str> {
        Some(include_str!("target.xml"))
    }
}

/// The registers of a thread that stands still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    /// Integer registers.
    x: [u64; 32],
    /// The PC.
    pub(super) pc: u64,
    /// Floating-point registers.
    f: [u64; 32],
    /// Accrued exceptions.
    fflags: u32,
    /// The rounding mode.
    frm: u32,
}

impl Registers {
    /// A hart's.
    pub(super) fn load(state: &GuestState) -> Self {
        Self {
            x: state.x,
            pc: state.pc,
            f: state.f,
            fflags: state.fflags,
            frm: state.frm,
        }
    }

    /// Gives a hart these.
    pub(super) fn store(&self, state: &mut GuestState) {
        state.x[1..].copy_from_slice(&self.x[1..]);
        // Instructions are at even addresses.
        state.pc = self.pc & !1;
        state.f = self.f;
        state.fflags = self.fflags & 31;
        state.frm = self.frm & 7;
    }
}

impl arch::Registers for Registers {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        let words = self.x.iter().chain([&self.pc]).chain(&self.f);
        let control = [self.fflags, self.frm, self.frm << 5 | self.fflags];
        words
            .flat_map(|word| word.to_le_bytes())
            .chain(control.iter().flat_map(|word| word.to_le_bytes()))
            .for_each(|byte| write_byte(Some(byte)));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let (words, control) = bytes.split_at_checked(65 * 8).ok_or(())?;
        let mut words = words
            .chunks_exact(8)
            .filter_map(|chunk| Some(u64::from_le_bytes(*chunk.first_chunk()?)));
        let mut control = control
            .chunks_exact(4)
            .filter_map(|chunk| Some(u32::from_le_bytes(*chunk.first_chunk()?)));
        let mut next_control = || control.next().ok_or(());
        let (fflags, frm, fcsr) = (next_control()?, next_control()?, next_control()?);
        let mut next = || words.next().ok_or(());
        for register in &mut self.x {
            *register = next()?;
        }
        self.pc = next()?;
        for register in &mut self.f {
            *register = next()?;
        }
        // `fcsr` is made of the other two: whichever was written is the one that changed.
        let was = self.frm << 5 | self.fflags;
        (self.fflags, self.frm) = match fcsr == was {
            true => (fflags, frm),
            false => (fcsr & 31, fcsr >> 5 & 7),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gdbstub::arch::Registers as _;

    use super::Registers;

    fn bytes(registers: &Registers) -> Vec<u8> {
        let mut bytes = Vec::new();
        registers.gdb_serialize(|byte| bytes.extend(byte));
        bytes
    }

    fn sample() -> Registers {
        Registers {
            x: std::array::from_fn(|index| index as u64 * 0x0101_0101_0101_0101),
            pc: 0x1_2345,
            f: std::array::from_fn(|index| !(index as u64)),
            fflags: 17,
            frm: 3,
        }
    }

    #[test]
    fn registers_come_back_as_they_went() {
        let registers = sample();
        let bytes = bytes(&registers);
        assert_eq!(bytes.len(), 65 * 8 + 3 * 4);
        let mut read = sample();
        read.x = [0; 32];
        assert_eq!(read.gdb_deserialize(&bytes), Ok(()));
        assert_eq!(read, registers);
        assert_eq!(read.gdb_deserialize(&bytes[1..]), Err(()));
    }

    #[test]
    fn fcsr_and_its_parts_can_each_be_written() {
        let start = 65 * 8;
        let mut whole = bytes(&sample());
        whole[start + 8] = 0xe1;
        let mut read = sample();
        assert_eq!(read.gdb_deserialize(&whole), Ok(()));
        assert_eq!((read.fflags, read.frm), (1, 7));
        let mut part = bytes(&sample());
        part[start + 4] = 2;
        let mut read = sample();
        assert_eq!(read.gdb_deserialize(&part), Ok(()));
        assert_eq!((read.fflags, read.frm), (17, 2));
    }
}
