//! Reading a policy's file.

use std::io::Read;
use std::path::Path;

use permafrost_domain::policy::PolicySpec;
use permafrost_domain::{Code, Fault};

/// The most bytes of a policy's file.
const MAX_BYTES: u64 = 64 * 1024;

/// The policy in a file, or on standard input for `-`.
///
/// # Errors
/// `InvalidPolicy` with every mistake and its line; `InvalidRequest` where the file cannot be read.
pub(super) fn read_spec(path: &Path) -> Result<PolicySpec, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::new(Code::InvalidRequest, format!("the policy's file cannot be read: {error}"))
            .on(format!("file {}", path.display()))
            .hint("Name a file in YAML or JSON, or - for standard input.")
    };
    let mut text = String::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(unreadable)?)
    };
    source.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Fault::new(Code::InvalidPolicy, "the policy's file has more than 64 KiB")
            .on(format!("file {}", path.display())));
    }
    PolicySpec::parse(&text).map_err(|problems| Fault::from(problems).on(format!("file {}", path.display())))
}
