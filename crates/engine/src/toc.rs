//! The table of contents in the form in which it is stored, and in which pg_restore reads it.

use permafrost_pgarchive::TableOfContents;

use crate::error::EngineError;

/// The bytes of a directory archive's `toc.dat`.
pub(crate) fn directory_form(toc: &TableOfContents) -> Result<Vec<u8>, EngineError> {
    let mut bytes = Vec::new();
    toc.write_directory(&mut bytes)
        .map_err(|error| EngineError::TocContents { what: format!("what cannot be written: {error}") })?;
    Ok(bytes)
}
