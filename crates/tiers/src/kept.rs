//! Which compiled regions may be kept: those whose source is what the module's digest stands for.

use rekindle::Artifact;

use crate::code_module::CodeModule;
use crate::metadata;

/// Judges the regions of one flush.
pub(crate) fn judge(module: &dyn CodeModule) -> Box<dyn FnMut(&Artifact) -> bool> {
    let mut read = module.original_text();
    Box::new(move |artifact| {
        let metadata = metadata::decode(0, &artifact.metadata);
        let is_kept = metadata.is_some_and(|metadata| metadata.source.is_in(&mut *read));
        if !is_kept {
            let region = &artifact.name;
            tracing::debug!(region, "isn't kept: its file holds other instructions");
        }
        is_kept
    })
}
