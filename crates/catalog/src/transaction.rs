//! Transactions: several conditional writes, all or none.
//!
//! The client gives every request a fresh `ClientRequestToken`, so that DynamoDB carries out a request only
//! once even where the client sends it again for want of an answer. A step that runs again has no such token;
//! its writes are made so that they meet what they left.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK, SK};
use crate::record::{Item, invalid, text};
use crate::write::{ATTEMPTS, pause};

/// The part that one write has in a transaction; each occurs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The instance.
    Instance,
    /// The claim to the name of the instance or policy.
    Name,
    /// The claim to a name that is given up.
    OldName,
    /// The claim to the database.
    DataSource,
    /// The job.
    Job,
    /// The lock of the running backup.
    Lock,
    /// The recovery point.
    Point,
    /// The newest good point of the instance.
    Newest,
    /// The backup's snapshot.
    Snapshot,
    /// The n-th period that is claimed.
    Period(usize),
    /// The policy.
    Policy,
    /// The instance under the policy.
    Member,
    /// The policy that is left.
    OldPolicy,
    /// The instance under the policy that is left.
    OldMember,
    /// What says that the job has not ended.
    OpenJob,
    /// What says that the instance's data is deleted softly.
    Deletion,
    /// The retention plan.
    Plan,
    /// The n-th part of what it lists.
    Listed(u32),
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Every write was done.
    Done,
    /// None was.
    Refused(Refusal),
}

/// The writes whose conditions did not hold, each with the record as it stood.
#[derive(Debug)]
pub(crate) struct Refusal(Vec<(Part, Option<Item>)>);

impl Refusal {
    /// The record that refused `part`, where that part was refused.
    #[expect(clippy::option_option, reason = "not refused, refused by absence, refused by a record")]
    pub(crate) fn of(&mut self, part: Part) -> Option<Option<Item>> {
        let index = self.0.iter().position(|(refused, _)| *refused == part)?;
        Some(self.0.swap_remove(index).1)
    }
}

/// Writes that are done together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transaction {
    writes: Vec<(Part, Write)>,
}

#[derive(Debug, Clone)]
enum Write {
    Put(Item, Expression),
    Update(Key, Expression),
    Delete(Key, Expression),
    Check(Key, Expression),
}

impl Transaction {
    /// No writes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// And puts `item`.
    pub(crate) fn put(self, part: Part, item: Item, expression: Expression) -> Self {
        self.and(part, Write::Put(item, expression))
    }

    /// And puts `item` where nothing stands yet.
    pub(crate) fn put_new(self, part: Part, item: Item) -> Self {
        self.put(part, item, Expression::new().only_if_absent(PK))
    }

    /// And changes the record `key`.
    pub(crate) fn update(self, part: Part, key: Key, expression: Expression) -> Self {
        self.and(part, Write::Update(key, expression))
    }

    /// And deletes the record `key`.
    pub(crate) fn delete(self, part: Part, key: Key, expression: Expression) -> Self {
        self.and(part, Write::Delete(key, expression))
    }

    /// And demands something of the record `key`, which stays as it is.
    pub(crate) fn check(self, part: Part, key: Key, expression: Expression) -> Self {
        self.and(part, Write::Check(key, expression))
    }

    fn and(mut self, part: Part, write: Write) -> Self {
        self.writes.push((part, write));
        self
    }
}

impl Catalog {
    /// Does all writes of `transaction` or none.
    ///
    /// # Errors
    /// `Unavailable` also where other transactions on the same records stay in the way.
    pub(crate) async fn transact(&self, transaction: Transaction) -> Result<Outcome, CatalogError> {
        let (parts, writes): (Vec<Part>, Vec<Write>) = transaction.writes.into_iter().unzip();
        let items: Vec<TransactWriteItem> =
            writes.into_iter().map(|write| self.transact_item(write)).collect::<Result<_, _>>()?;
        let mut attempt = 1;
        loop {
            let answer =
                self.client.transact_write_items().set_transact_items(Some(items.clone())).send().await;
            let Err(error) = answer else { return Ok(Outcome::Done) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons().to_vec()
                }
                _ => return Err(CatalogError::of_sdk("TransactWriteItems", error)),
            };
            match verdict(&parts, reasons) {
                Verdict::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
                Verdict::Contended if attempt < ATTEMPTS => pause(attempt).await,
                Verdict::Contended => {
                    return Err(CatalogError::Unavailable {
                        operation: "TransactWriteItems",
                        reason: "TransactionConflict".to_owned(),
                        source: Box::new(error),
                    });
                }
                Verdict::Failed(reason) => {
                    return Err(CatalogError::of_reason("TransactWriteItems", reason, error));
                }
            }
            attempt += 1;
        }
    }

    fn transact_item(&self, write: Write) -> Result<TransactWriteItem, CatalogError> {
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let built = TransactWriteItem::builder();
        Ok(match write {
            Write::Put(item, expression) => {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(item))
                    .set_condition_expression(expression.condition())
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(old);
                built.put(put.build().map_err(not_built)?)
            }
            Write::Update(key, expression) => {
                let update = Update::builder()
                    .table_name(&self.table)
                    .key(PK, text(key.pk()))
                    .key(SK, text(key.sk()))
                    .update_expression(expression.update())
                    .set_condition_expression(expression.condition())
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(old);
                built.update(update.build().map_err(|error| invalid(&key, error))?)
            }
            Write::Delete(key, expression) => {
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .key(PK, text(key.pk()))
                    .key(SK, text(key.sk()))
                    .set_condition_expression(expression.condition())
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(old);
                built.delete(delete.build().map_err(|error| invalid(&key, error))?)
            }
            Write::Check(key, expression) => {
                let check = ConditionCheck::builder()
                    .table_name(&self.table)
                    .key(PK, text(key.pk()))
                    .key(SK, text(key.sk()))
                    .set_condition_expression(expression.condition())
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(old);
                built.condition_check(check.build().map_err(|error| invalid(&key, error))?)
            }
        }
        .build())
    }
}

/// A write that the client's types refuse.
fn not_built(error: aws_sdk_dynamodb::error::BuildError) -> CatalogError {
    CatalogError::Rejected {
        operation: "TransactWriteItems",
        reason: "request not built".to_owned(),
        source: Box::new(error),
    }
}

/// Why a transaction was cancelled.
#[derive(Debug)]
enum Verdict {
    /// Another transaction is in the way: conditions were looked at or not.
    Contended,
    /// Conditions did not hold.
    Refused(Refusal),
    /// Something else, by DynamoDB's word.
    Failed(String),
}

/// The verdict over a transaction's parts; `reasons` stand in the order of `parts`.
fn verdict(parts: &[Part], reasons: Vec<CancellationReason>) -> Verdict {
    let mut refused = Vec::new();
    let mut contended = false;
    for (part, reason) in parts.iter().zip(reasons) {
        match reason.code() {
            None | Some("None") => {}
            Some("ConditionalCheckFailed") => refused.push((*part, reason.item)),
            Some("TransactionConflict") => contended = true,
            Some(other) => return Verdict::Failed(other.to_owned()),
        }
    }
    match (contended, refused.is_empty()) {
        (true, _) => Verdict::Contended,
        (false, false) => Verdict::Refused(Refusal(refused)),
        (false, true) => Verdict::Failed("cancelled without a reason".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    #[test]
    fn reasons_are_told_by_part() {
        let parts = [Part::Point, Part::Job, Part::Lock];
        let reasons = vec![reason("None"), reason("ConditionalCheckFailed"), reason("None")];
        let Verdict::Refused(mut refusal) = verdict(&parts, reasons) else { panic!("not refused") };
        assert!(refusal.of(Part::Point).is_none() && refusal.of(Part::Lock).is_none());
        assert!(matches!(refusal.of(Part::Job), Some(None)));
    }

    #[test]
    fn contention_is_tried_again_before_conditions_are_believed() {
        let parts = [Part::Job, Part::Lock];
        let reasons = vec![reason("TransactionConflict"), reason("ConditionalCheckFailed")];
        assert!(matches!(verdict(&parts, reasons), Verdict::Contended));
    }

    #[test]
    fn other_reasons_keep_their_word() {
        let word = |reasons| match verdict(&[Part::Job], reasons) {
            Verdict::Failed(word) => word,
            other => panic!("{other:?}"),
        };
        assert_eq!(word(vec![reason("ThrottlingError")]), "ThrottlingError");
        assert_eq!(word(vec![]), "cancelled without a reason");
    }
}
