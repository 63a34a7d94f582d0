//! Periods: the week, month or year whose first successful backup a point is, by a rule. Claimed in the one
//! transaction that commits the point, put if absent: of two that race one is the first, and what never commits claims
//! nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use permafrost_domain::retention::PeriodClaim;
use permafrost_domain::{InstanceId, PointId};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK};
use crate::record::{Record, decode, encode};
use crate::transaction::{Part, Refusal, Transaction};
use crate::write::Written;

/// The claim of a point to a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Period {
    /// The instance whose period it is.
    pub(crate) instance: InstanceId,
    /// The rule and its period.
    pub(crate) claim: PeriodClaim,
    /// The point that is the first of the period.
    pub(crate) point: PointId,
    /// When it was committed.
    pub(crate) claimed_at: Timestamp,
}

impl Record for Period {
    fn key(&self) -> Key {
        Key::Period(self.instance, self.claim)
    }
}

impl Catalog {
    /// Those of `claims` that points of `instance` other than `point` have taken. Strongly consistent.
    ///
    /// # Errors
    /// None of its own.
    pub async fn taken_periods(
        &self,
        instance: InstanceId,
        claims: &[PeriodClaim],
        point: PointId,
    ) -> Result<BTreeSet<PeriodClaim>, CatalogError> {
        let mut taken = BTreeSet::new();
        // One for each rule at most.
        for claim in claims {
            let period: Option<Period> = self.record(&Key::Period(instance, *claim)).await?;
            taken.extend(period.filter(|period| period.point != point).map(|period| period.claim));
        }
        Ok(taken)
    }
}

impl Catalog {
    /// Claims periods for a point that was committed before, as where its policy has got a rule since; those of them
    /// that others have taken. May be repeated.
    ///
    /// # Errors
    /// None of its own.
    pub async fn claim_periods(
        &self,
        instance: InstanceId,
        point: PointId,
        claims: &[PeriodClaim],
        now: Timestamp,
    ) -> Result<BTreeSet<PeriodClaim>, CatalogError> {
        let mut lost = BTreeSet::new();
        for claim in claims {
            let period = Period { instance, claim: *claim, point, claimed_at: now };
            let free = Expression::new().only_if_absent(PK);
            if let Written::Refused(Some(there)) = self.put(encode(&period)?, free).await? {
                let there: Period = decode(there)?;
                lost.extend((there.point != point).then_some(there.claim));
            }
        }
        Ok(lost)
    }
}

/// The same transaction, claiming the periods for `point`.
pub(crate) fn and_claim(
    mut transaction: Transaction,
    instance: InstanceId,
    point: PointId,
    claims: &[PeriodClaim],
    now: Timestamp,
) -> Result<Transaction, CatalogError> {
    for (index, claim) in claims.iter().enumerate() {
        let period = Period { instance, claim: *claim, point, claimed_at: now };
        transaction = transaction.put_new(Part::Period(index), encode(&period)?);
    }
    Ok(transaction)
}

/// Which of `claims` refused the transaction: others have taken them.
pub(crate) fn refused(
    refusal: &mut Refusal,
    claims: &[PeriodClaim],
) -> Result<BTreeSet<PeriodClaim>, CatalogError> {
    let mut taken = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let Some(there) = refusal.of(Part::Period(index)) else { continue };
        there.map(decode::<Period>).transpose()?;
        taken.insert(*claim);
    }
    Ok(taken)
}
