//! The vault's immutability only rises, whatever it is configured to be.

mod support;

use permafrost_catalog::CatalogError;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::{Code, Fault};

use crate::support::emulator::table;

#[tokio::test]
async fn it_rises_and_never_sinks() {
    for highest in Immutability::ALL {
        let catalog = table().await.catalog;
        for configured in Immutability::ALL.into_iter().filter(|configured| *configured <= highest) {
            catalog.check_immutability(configured).await.unwrap();
            catalog.raise_immutability(configured).await.unwrap();
            catalog.raise_immutability(configured).await.unwrap();
        }
        for configured in Immutability::ALL {
            let lowered = configured < highest;
            for refused in [
                catalog.check_immutability(configured).await,
                if lowered { catalog.raise_immutability(configured).await } else { Ok(()) },
            ] {
                assert_eq!(refused.is_err(), lowered, "from {highest} to {configured}");
                if let Err(error) = refused {
                    assert!(matches!(error, CatalogError::ImmutabilityLowered(_)), "{error:?}");
                    assert_eq!(Fault::from(error).code, Code::ImmutabilityCannotBeLowered);
                }
            }
        }
    }
}

/// Two runs that raise it at once leave the higher.
#[tokio::test]
async fn of_two_at_once_the_higher_stays() {
    let catalog = table().await.catalog;
    let (enabled, locked) = tokio::join!(
        catalog.raise_immutability(Immutability::Enabled),
        catalog.raise_immutability(Immutability::Locked),
    );
    locked.unwrap();
    // Either it came first, or it was lower already.
    assert!(matches!(enabled, Ok(()) | Err(CatalogError::ImmutabilityLowered(_))), "{enabled:?}");
    assert!(catalog.check_immutability(Immutability::Enabled).await.is_err());
    catalog.check_immutability(Immutability::Locked).await.unwrap();
}
