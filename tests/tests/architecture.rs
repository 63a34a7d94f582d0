//! What ARCHITECTURE.md says of the code: dependencies point one way, handlers are thin, functions are small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The crates of ours that each crate may depend on.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    ("pgarchive", &[]),
    ("catalog", &["domain"]),
    ("vault", &["domain"]),
    ("engine", &["domain", "pgarchive", "vault"]),
    ("function", &["catalog", "domain", "engine", "pgarchive", "vault"]),
    ("client", &["domain"]),
    ("cli", &["client", "domain"]),
    // For tests; nothing that is deployed depends on them.
    ("emulator", &[]),
    ("testing", &["catalog", "domain", "emulator", "function", "vault"]),
    // Measures; nothing depends on it.
    ("bench", &["catalog", "domain", "emulator", "engine", "function", "pgarchive", "vault"]),
];
/// What a function may be in bytes, stripped.
const MAX_FUNCTION_BYTES: u64 = 17_000_000;
/// What a function's `main.rs` may be in lines.
const MAX_MAIN_LINES: usize = 30;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folders(below: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(below)).expect("the folder is there");
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").exists());
    folders.sort();
    folders
}

/// The dependencies of ours in the section `[dependencies]` of a crate, without the prefix.
fn dependencies_of_ours(folder: &Path) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("every folder has one");
    let section =
        manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let names = section.lines().filter_map(|line| line.strip_prefix("permafrost-"));
    names.map(|rest| rest.split(['.', ' ', '=']).next().unwrap_or(rest).to_owned()).collect()
}

/// domain <- catalog, vault, pgarchive <- engine <- functions; cli <- client <- domain. Nothing else.
#[test]
fn dependencies_point_one_way() {
    let folders = folders("crates");
    assert_eq!(folders.len(), ALLOWED.len(), "every crate has its line in this test");
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let (_, allowed) =
            ALLOWED.iter().find(|(known, _)| *known == name).expect("every crate has its line");
        for found in dependencies_of_ours(&folder) {
            assert!(allowed.contains(&found.as_str()), "crates/{name} depends on {found}");
        }
    }
    for folder in self::folders("functions") {
        let found = dependencies_of_ours(&folder);
        assert!(!found.contains("client") && !found.contains("cli"), "{}: {found:?}", folder.display());
    }
}

/// The domain and the archive format have no runtime, no AWS, no files.
#[test]
fn what_is_pure_stays_pure() {
    for pure in ["domain", "pgarchive"] {
        let manifest = std::fs::read_to_string(root().join("crates").join(pure).join("Cargo.toml")).unwrap();
        let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap();
        for banned in ["tokio", "aws", "reqwest", "tempfile"] {
            assert!(
                !section.lines().any(|line| line.starts_with(banned)),
                "crates/{pure} depends on {banned}"
            );
        }
    }
}

/// A function's `main.rs` is under 30 lines.
#[test]
fn handlers_are_thin() {
    for folder in folders("functions") {
        let main = std::fs::read_to_string(folder.join("src/main.rs")).unwrap();
        assert!(main.lines().count() < MAX_MAIN_LINES, "{}", folder.display());
    }
}

/// Each stripped release binary of a function is under 17 MB.
#[test]
fn functions_are_small() {
    for folder in folders("functions") {
        let name = folder.file_name().unwrap();
        let binary = root().join("target/lambda").join(name).join("bootstrap");
        let size = std::fs::metadata(&binary)
            .unwrap_or_else(|error| panic!("{}: {error}; run `make up` first", binary.display()))
            .len();
        assert!(size < MAX_FUNCTION_BYTES, "{} has {size} bytes", binary.display());
    }
}
