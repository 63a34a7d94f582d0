//! The immutability that the vault has had. Configuration says what it is to be; the record keeps it from sinking.

use permafrost_domain::immutability::Immutability;
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK};
use crate::record::{Record, encode, text};
use crate::write::Written;

/// How often a record is read again that another run has raised in between: it can only be raised twice.
const ATTEMPTS: u32 = 3;

/// The highest immutability that the vault has had.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Recorded {
    immutability: Immutability,
}

impl Record for Recorded {
    fn key(&self) -> Key {
        Key::Immutability
    }
}

impl Catalog {
    /// Makes sure that `configured` is no lower than what the vault has had. Changes nothing.
    ///
    /// # Errors
    /// `ImmutabilityLowered`.
    pub async fn check_immutability(&self, configured: Immutability) -> Result<(), CatalogError> {
        self.recorded_immutability().await?.unwrap_or_default().change_to(configured)?;
        Ok(())
    }

    /// Makes sure of the same, and records `configured` where that is higher: from now on it cannot be lowered.
    ///
    /// # Errors
    /// `ImmutabilityLowered`; `CatalogConflict` where the record changes all the time.
    pub async fn raise_immutability(&self, configured: Immutability) -> Result<(), CatalogError> {
        for _ in 0..ATTEMPTS {
            let recorded = self.recorded_immutability().await?;
            if recorded.unwrap_or_default().change_to(configured)? == recorded.unwrap_or_default() {
                return Ok(());
            }
            let as_read = match recorded {
                Some(recorded) => Expression::new().only_if("immutability", text(recorded)),
                None => Expression::new().only_if_absent(PK),
            };
            match self.put(encode(&Recorded { immutability: configured })?, as_read).await? {
                Written::Done(_) => return Ok(()),
                Written::Refused(_) => {}
            }
        }
        Err(CatalogError::Conflict {
            key: Key::Immutability.to_string(),
            found: "it changes all the time".to_owned(),
        })
    }

    async fn recorded_immutability(&self) -> Result<Option<Immutability>, CatalogError> {
        let recorded: Option<Recorded> = self.record(&Key::Immutability).await?;
        Ok(recorded.map(|recorded| recorded.immutability))
    }
}
