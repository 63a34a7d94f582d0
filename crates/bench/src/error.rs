//! What can go wrong in a measurement. None of it is retried: a number that took two tries is no number.

use std::error::Error;

use permafrost_catalog::CatalogError;
use permafrost_domain::Fault;
use permafrost_engine::EngineError;
use permafrost_vault::VaultError;
use permafrost_vault::manifest::Incomplete;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file, socket or process.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program ended otherwise than with success.
    #[error("{program} failed: {words}")]
    Program {
        /// Its name.
        program: String,
        /// Its own words, or its exit status.
        words: String,
    },
    /// A document that is not what it should be.
    #[error("cannot read or write {what} as JSON")]
    Json {
        /// The document.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Something that the measurement needs is not here.
    #[error("{0}")]
    Missing(String),
    /// A run that ended well, with a result that cannot be.
    #[error("{0}")]
    Wrong(String),
    /// The engine.
    #[error("the engine failed")]
    Engine(#[from] EngineError),
    /// The catalog.
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
    /// A function.
    #[error("{function} failed")]
    Function {
        /// Its name.
        function: &'static str,
        /// Why.
        source: Box<Fault>,
    },
    /// There is no emulator.
    #[error(transparent)]
    NoEmulator(#[from] permafrost_emulator::StartError),
    /// The emulator.
    #[error("the emulator failed to {doing}")]
    Emulator {
        /// What it was asked for.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store.
    #[error("the store failed")]
    Vault(#[from] VaultError),
    /// The results of the tasks make no backup.
    #[error("the dump is incomplete")]
    Incomplete(#[from] Incomplete),
}

impl BenchError {
    /// For `map_err`: what was being done when a file, socket or process failed.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// For `map_err`: which document was wrong.
    pub(crate) fn json(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { what, source }
    }

    /// The error with all its causes.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
