//! `docs/errors.md` is made from the registry of codes; this holds the two together.

use std::fmt::Write as _;
use std::path::Path;

use permafrost_domain::fault::{Category, Code, Retry};

/// The document, with a section for every kind of failure.
fn document() -> String {
    let kinds = [
        (Category::Request, "Requests", "The request is malformed or breaks a rule."),
        (Category::NotFound, "Not found", "What was named does not exist."),
        (Category::Conflict, "Conflicts", "The request meets a state that forbids it."),
        (Category::Access, "Access", "The caller, or Permafrost itself, may not do this."),
        (Category::Database, "Databases", "The PostgreSQL server, its network, its login or its contents."),
        (Category::Vault, "The vault", "The stores, the key, the catalog."),
        (Category::Cancelled, "Cancelled", "Ended because somebody asked."),
        (Category::Internal, "Permafrost itself", "Permafrost, or the service that runs it."),
    ];
    let mut text = String::from(
        "# Error codes\n\n\
         Made from the registry in `crates/domain/src/fault/registry.rs`; do not edit. After a change there, run\n\
         `UPDATE_DOCS=1 cargo test -p permafrost-domain --test errors_document`.\n\n\
         A code is one word everywhere: in the function's `errorType`, the state machine, the job, the API's body \
         and the command line.\n\
         Codes marked *retried* are passing conditions: state machines try again by themselves before the job \
         fails.\n",
    );
    for (category, title, about) in kinds {
        write!(
            text,
            "\n## {title}\n\n{about} API status {}, exit code {} of the command `permafrost`.\n",
            category.http_status(),
            category.exit_code()
        )
        .expect("a string takes whatever is written");
        for code in Code::ALL.iter().filter(|code| code.category() == category) {
            let summary = code.summary();
            let capital = summary[..1].to_uppercase() + &summary[1..];
            let retried = if code.retry() == Retry::Later { " *Retried.*" } else { "" };
            write!(text, "\n### {code}\n\n{capital}.{retried}\n\n{}\n", code.remedy())
                .expect("a string takes whatever is written");
        }
    }
    text
}

#[test]
fn the_document_is_that_of_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/errors.md is stale: run UPDATE_DOCS=1 cargo test -p permafrost-domain --test errors_document"
    );
}

#[test]
fn every_code_stands_in_the_document_once() {
    let text = document();
    for code in Code::ALL {
        assert_eq!(text.matches(&format!("\n### {code}\n")).count(), 1, "{code}");
    }
}
