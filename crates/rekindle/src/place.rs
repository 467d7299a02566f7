//! Placing an artifact in this process's memory.

use std::sync::Arc;

use rekindle_artifact::{Artifact, SectionKind};
use rekindle_exec::{Batch, BlockParts, Demand, HostAddr};
use rekindle_link::{
    Address, Arch, Binding, BindingValue, LinkError, Output, Placement, Places, Plan,
};

use crate::code::Code;
use crate::names::Names;
use crate::sections::SectionAddresses;

/// An artifact can't be inserted; the caller goes without this code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The artifact can't be linked: its maker has a bug or a wrong setting.
    #[error("the artifact can't be linked: {0}")]
    Link(#[from] LinkError),
    /// The artifact refers to a name that has no value in this process.
    #[error("{name} has no value in this process")]
    Unresolved {
        /// The name.
        name: String,
    },
    /// The system gives no executable memory.
    #[error("no executable memory: {0}")]
    Memory(#[from] std::io::Error),
    /// Code can't be linked for this machine.
    #[error("this machine isn't supported")]
    UnsupportedMachine,
    /// The artifact has no text.
    #[error("the artifact has no text")]
    NoText,
    /// The ticket came from another scope.
    #[error("the ticket belongs to another scope")]
    ForeignTicket,
}

/// What ends call frame information: a record without length.
const TERMINATOR_LEN: usize = 4;

/// Offsets in a block of the parts of its writable memory, and of the constants in its code.
struct BlockLayout {
    demand: Demand,
    rodata: usize,
    data: usize,
    bss: usize,
    /// Call frame information and its terminator, behind the constants.
    eh_frame: usize,
}

/// Links an artifact into memory and makes it executable, or has it wait for that in the batch. It is a copy
/// if it came from an image.
pub(crate) fn place(
    artifact: &Arc<Artifact>,
    batch: &Batch,
    names: &Names,
    is_copy: bool,
) -> Result<Code, InsertError> {
    let arch = Arch::host().ok_or(InsertError::UnsupportedMachine)?;
    if artifact.text.bytes.is_empty() {
        return Err(InsertError::NoText);
    }
    let plan = Plan::new(artifact, arch)?;
    let layout = BlockLayout::of(&plan);
    // Ask for all values before memory is spent.
    let cell_values = plan
        .symbols()
        .iter()
        .map(|name| names.cell_value(name).ok_or_else(|| unresolved(name)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut placed = None;
    let mut fill = |block: BlockParts<'_>| {
        let (sections, text_len) = fill(block, &plan, &layout, &cell_values, names)?;
        placed = Some((sections, text_len));
        let frames = artifact.unwind.as_ref().map(|unwind| {
            let end = layout.eh_frame + unwind.eh_frame.len() + TERMINATOR_LEN;
            layout.eh_frame..end
        });
        Ok::<_, InsertError>(frames)
    };
    let published = match names.late() {
        // Nothing runs before names are bound, so there will be many blocks to publish at once.
        Some(_) => batch.add(layout.demand, fill)?,
        None => {
            let mut block = batch.arena().reserve(layout.demand)?;
            match fill(block.parts_mut())? {
                Some(frames) => block.publish_with_frames(frames)?,
                None => block.publish()?,
            }
        }
    };
    let (sections, text_len) = placed.expect("the block was filled");
    if let Some(late) = names.late() {
        late.wait(&published, plan.symbols(), plan.calls());
    }
    Ok(Code::compiled(
        Arc::clone(artifact),
        published,
        sections,
        text_len,
        is_copy,
    ))
}

/// Links an artifact into a block. Returns where its sections are, and the length of its text.
fn fill(
    mut block: BlockParts<'_>,
    plan: &Plan<'_>,
    layout: &BlockLayout,
    cell_values: &[u64],
    names: &Names,
) -> Result<(SectionAddresses, u32), InsertError> {
    let (code, data) = (block.code_address, block.data_address);
    let rodata = if plan.rodata_is_writable() {
        data
    } else {
        code
    };
    let sections = SectionAddresses {
        text: code,
        rodata: rodata.offset(layout.rodata as u64),
        data: data.offset(layout.data as u64),
        bss: data.offset(layout.bss as u64),
    };
    let bindings = plan.link(
        output(&mut block, plan, layout),
        &placement(&sections, code.offset(layout.eh_frame as u64)),
        &cell_addresses(data, cell_values.len()),
    )?;
    for (cell, value) in block.data.chunks_exact_mut(8).zip(cell_values) {
        cell.copy_from_slice(&value.to_le_bytes());
    }
    bind_fields(block.data, layout, &bindings, names)?;
    let len_bytes = plan.text_len_bytes();
    let text_len = u32::try_from(len_bytes).map_err(|_| LinkError::TooLarge { len_bytes })?;
    Ok((sections, text_len))
}

fn unresolved(name: &str) -> InsertError {
    InsertError::Unresolved {
        name: name.to_owned(),
    }
}

/// Gives the fields in data that hold addresses their values.
fn bind_fields(
    data: &mut [u8],
    layout: &BlockLayout,
    bindings: &[Binding<'_>],
    names: &Names,
) -> Result<(), InsertError> {
    for binding in bindings {
        let value = match &binding.value {
            BindingValue::Local(address) => address.0,
            BindingValue::Symbol { name, addend } => names
                .field_value(name)
                .ok_or_else(|| unresolved(name))?
                .wrapping_add_signed(*addend),
        };
        let section = if binding.section == SectionKind::Rodata {
            layout.rodata
        } else {
            layout.data
        };
        let field = section + binding.offset as usize;
        data[field..field + 8].copy_from_slice(&value.to_le_bytes());
    }
    Ok(())
}

impl BlockLayout {
    fn of(plan: &Plan<'_>) -> Self {
        let artifact = plan.artifact();
        let align = |section| artifact.section_align(section) as usize;
        let len = |section| artifact.section_len(section);
        let mut code_len = plan.text_len_bytes() as usize;
        let mut data_len = plan.symbols().len() * 8;
        let take = |len: &mut usize, section| {
            let start = len.next_multiple_of(align(section));
            *len = start + artifact.section_len(section);
            start
        };
        let rodata = if plan.rodata_is_writable() {
            take(&mut data_len, SectionKind::Rodata)
        } else {
            take(&mut code_len, SectionKind::Rodata)
        };
        let data = take(&mut data_len, SectionKind::Data);
        let bss = take(&mut data_len, SectionKind::Bss);
        let eh_frame = code_len.next_multiple_of(8);
        if let Some(unwind) = &artifact.unwind {
            code_len = eh_frame + unwind.eh_frame.len() + TERMINATOR_LEN;
        }
        let data_align = [SectionKind::Rodata, SectionKind::Data, SectionKind::Bss]
            .into_iter()
            .filter(|section| len(*section) > 0)
            .map(align)
            .fold(8, usize::max);
        // The terminator of call frame information needs no more than 8.
        let code_align = match plan.rodata_is_writable() {
            true => 8,
            false => align(SectionKind::Rodata).max(8),
        };
        Self {
            demand: Demand {
                code_len,
                code_align: code_align.max(plan.text_align() as usize),
                data_len,
                data_align,
            },
            rodata,
            data,
            bss,
            eh_frame,
        }
    }
}

fn placement(sections: &SectionAddresses, eh_frame: HostAddr) -> Placement {
    let address = |address: HostAddr| Address(address.0);
    Placement {
        text: address(sections.text),
        rodata: address(sections.rodata),
        data: address(sections.data),
        bss: address(sections.bss),
        eh_frame: address(eh_frame),
    }
}

/// Cells stand at the start of the block's data.
fn cell_addresses(data: HostAddr, count: usize) -> Vec<Address> {
    (0..count as u64)
        .map(|cell| Address(data.offset(cell * 8).0))
        .collect()
}

/// The parts of a block that an artifact's bytes go into.
fn output<'b>(block: &'b mut BlockParts<'_>, plan: &Plan<'_>, layout: &BlockLayout) -> Output<'b> {
    let artifact = plan.artifact();
    let unwind = artifact.unwind.as_ref();
    let eh_frame_len = unwind.map_or(0, |unwind| unwind.eh_frame.len());
    let places = Places {
        text: 0..plan.text_len_bytes() as usize,
        rodata: layout.rodata..layout.rodata + artifact.section_len(SectionKind::Rodata),
        data: layout.data..layout.data + artifact.section_len(SectionKind::Data),
        eh_frame: layout.eh_frame..layout.eh_frame + eh_frame_len,
    };
    plan.output(block.code, block.data, places)
}
