//! Decoder, encoder and disassembler against each other and against GNU binutils.

mod assembler;
mod golden;
mod objdump;
mod random;
mod round_trip;
