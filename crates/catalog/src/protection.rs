//! The protection of an instance: suspended, resumed, stopped, deleted softly, undeleted; its policy.
//!
//! Every change is conditional on the status that it leaves, by the domain's table of transitions. Soft deletion writes
//! a record of its own, which stands in the index until it is undone or done: so that what is to be deleted for good
//! is found without looking at every instance.
//!
//! **Order of a deletion.** [`Catalog::soft_delete`]; when its time is over, the points
//! ([`crate::ExpiryGround::DataDeletion`]); when the last one is gone, [`Catalog::remove_instance`], which frees name
//! and database.

use jiff::Timestamp;
use permafrost_domain::instance::{Instance, ProtectionStatus, SoftDeletion, StopMode};
use permafrost_domain::wire::Page;
use permafrost_domain::{InstanceId, PolicyId};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::due::{due_of, place_at};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::instance::{POINTS, and_free_claims, points_of};
use crate::keys::{DELETIONS, Key};
use crate::listing::listed_at;
use crate::policy::{and_join, and_leave};
use crate::record::{Record, decode, encode, invalid, key_of, nested, number, text};
use crate::transaction::{Outcome, Part, Transaction};
use crate::write::Written;

/// How often a change is decided anew because the instance changed in between.
const ATTEMPTS: u32 = 8;
/// The attribute that stands for `deletion.until` in conditions: microseconds since 1970.
pub(crate) const DELETION_UNTIL_US: &str = "deletion_until_us";

/// What says that an instance's data is deleted for good some day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// The instance.
    pub(crate) instance: InstanceId,
    /// When its data is deleted for good.
    pub(crate) until: Timestamp,
}

impl Record for Deletion {
    fn key(&self) -> Key {
        Key::Deletion(self.instance)
    }

    fn listed(&self) -> Option<(String, String)> {
        Some((DELETIONS.to_owned(), place_at(self.until, self.instance)))
    }
}

impl Catalog {
    /// Suspends the scheduled backups of `instance`.
    ///
    /// # Errors
    /// `ProtectionNotChanged` where it is not protected, `InstanceNotFound`. The same call again succeeds and
    /// changes nothing.
    pub async fn suspend(&self, instance: InstanceId) -> Result<Instance, CatalogError> {
        let to = ProtectionStatus::BackupsSuspended;
        self.change_status(instance, to, Expression::new()).await
    }

    /// Protects `instance` again, after its backups were suspended or its protection was stopped.
    ///
    /// # Errors
    /// `ProtectionNotChanged` where its data is deleted or its protection not configured yet; `InstanceNotFound`. The
    /// same call again succeeds and changes nothing.
    pub async fn resume(&self, instance: InstanceId) -> Result<Instance, CatalogError> {
        // From there it becomes protected by the end of its job alone.
        let configured =
            Expression::new().only_if_not("status", text(ProtectionStatus::ConfiguringProtection));
        self.change_status(instance, ProtectionStatus::Protected, configured.remove("stopped")).await
    }

    /// Stops the protection of `instance` and keeps its points: for ever, or as its policy says. Another way of
    /// keeping them may be chosen while it is stopped.
    ///
    /// # Errors
    /// `ProtectionNotChanged`, `InstanceNotFound`; `CatalogConflict` for [`StopMode::DeleteData`], which is
    /// [`Catalog::soft_delete`]'s. The same call again succeeds and changes nothing.
    pub async fn stop_protection(
        &self,
        instance: InstanceId,
        mode: StopMode,
    ) -> Result<Instance, CatalogError> {
        let key = Key::Instance(instance);
        if mode == StopMode::DeleteData {
            let found = "deleting its data is asked for by itself".to_owned();
            return Err(CatalogError::Conflict { key: key.to_string(), found });
        }
        let mode_set = || Expression::new().set("stopped", text(mode));
        let to = ProtectionStatus::ProtectionStopped;
        let stopped = self.change_status(instance, to, mode_set()).await?;
        if stopped.stopped == Some(mode) {
            return Ok(stopped);
        }
        let other_mode = mode_set().only_if("status", text(to));
        match self.update(&key, other_mode).await? {
            Written::Done(item) => decode(item),
            Written::Refused(item) => Err(not_changed(instance, to, item.map(decode).transpose()?)),
        }
    }

    /// Deletes the data of `instance` softly: from now on there are no backups, and when `deletion.until` has passed,
    /// its points are deleted for good. Undone by [`Catalog::undelete`].
    ///
    /// # Errors
    /// `ProtectionNotChanged` where its protection is not configured yet, or it is deleted already in another way;
    /// `InstanceNotFound`. The same call again succeeds and changes nothing.
    pub async fn soft_delete(
        &self,
        instance: InstanceId,
        deletion: &SoftDeletion,
    ) -> Result<Instance, CatalogError> {
        let key = Key::Instance(instance);
        let to = ProtectionStatus::SoftDeleted;
        let deleted = Expression::new()
            .set("status", text(to))
            .set("stopped", text(StopMode::DeleteData))
            .set("deletion", nested(&key, deletion)?)
            .set(DELETION_UNTIL_US, number(deletion.until.as_microsecond()))
            .only_if_one_of("status", ProtectionStatus::before(to));
        let transaction = Transaction::new().update(Part::Instance, key, deleted).put(
            Part::Deletion,
            encode(&Deletion { instance, until: deletion.until })?,
            Expression::new(),
        );
        if let Outcome::Refused(mut refusal) = self.transact(transaction).await? {
            let there: Option<Instance> = refusal.of(Part::Instance).flatten().map(decode).transpose()?;
            let same = there.as_ref().is_some_and(|there| there.deletion.as_ref() == Some(deletion));
            if !same {
                return Err(not_changed(instance, to, there));
            }
        }
        self.stored_instance(instance).await
    }

    /// Takes back the soft deletion of `instance`: its protection is stopped, and its points are kept for ever until
    /// somebody says otherwise.
    ///
    /// # Errors
    /// `SoftDeletionEnds` where its time is over: its points may be gone. `ProtectionNotChanged` where it is not
    /// deleted, `InstanceNotFound`. The same call again succeeds and changes nothing.
    pub async fn undelete(&self, instance: InstanceId, now: Timestamp) -> Result<Instance, CatalogError> {
        let key = Key::Instance(instance);
        let to = ProtectionStatus::ProtectionStopped;
        let kept = Expression::new()
            .set("status", text(to))
            .set("stopped", text(StopMode::RetainForever))
            .remove("deletion")
            .remove(DELETION_UNTIL_US)
            .only_if("status", text(ProtectionStatus::SoftDeleted))
            .only_if_above(DELETION_UNTIL_US, number(now.as_microsecond()));
        let transaction = Transaction::new().update(Part::Instance, key, kept).delete(
            Part::Deletion,
            Key::Deletion(instance),
            Expression::new(),
        );
        if let Outcome::Refused(mut refusal) = self.transact(transaction).await? {
            let there: Option<Instance> = refusal.of(Part::Instance).flatten().map(decode).transpose()?;
            match there {
                Some(there) if there.status == to && there.stopped == Some(StopMode::RetainForever) => {}
                Some(Instance {
                    status: ProtectionStatus::SoftDeleted, deletion: Some(deletion), ..
                }) => {
                    return Err(CatalogError::SoftDeletionEnds { instance, until: deletion.until });
                }
                there => return Err(not_changed(instance, to, there)),
            }
        }
        self.stored_instance(instance).await
    }

    /// The instances whose soft deletion is over at `now`, the longest over first, at most `limit` (1 at least).
    /// Reads them and nothing else.
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn due_deletions(
        &self,
        now: Timestamp,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<InstanceId>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::Deletions { due, instance }) => {
                Some(listed_at(&Key::Deletion(instance), DELETIONS, place_at(due, instance)))
            }
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let output = self.page(self.due_until(now, DELETIONS, limit, after)).await?;
        let next = match output.last_evaluated_key {
            None => None,
            Some(last) => match (key_of(&last)?, due_of(&last)?) {
                (Key::Deletion(instance), due) => Some(Continuation::Deletions { due, instance }.to_token()),
                (other, _) => return Err(invalid(&other, "it stands among the soft deletions")),
            },
        };
        let deletions = output.items.unwrap_or_default().into_iter().map(decode::<Deletion>);
        let items = deletions.map(|deletion| deletion.map(|deletion| deletion.instance));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    }

    /// Removes `instance`, whose soft deletion is over at `now` and whose points are all gone: its name and its
    /// database are free again. Its jobs and the tombstones of its points stay.
    ///
    /// # Errors
    /// `InstanceHasPoints`, `SoftDeletionEnds` where its time is not over, `ProtectionNotChanged` where it is not
    /// deleted. The same call again succeeds and changes nothing.
    pub async fn remove_instance(&self, instance: InstanceId, now: Timestamp) -> Result<(), CatalogError> {
        let to = ProtectionStatus::SoftDeleted;
        for _ in 0..ATTEMPTS {
            let Some(item) = self.item(&Key::Instance(instance)).await? else { return Ok(()) };
            let points = points_of(&item)?;
            let there: Instance = decode(item)?;
            match &there.deletion {
                _ if there.status != to => return Err(not_changed(instance, to, Some(there))),
                Some(deletion) if deletion.until > now => {
                    return Err(CatalogError::SoftDeletionEnds { instance, until: deletion.until });
                }
                _ if points > 0 => return Err(CatalogError::InstanceHasPoints { instance, points }),
                _ => {}
            }
            let empty = Expression::new()
                .only_if_absent(POINTS)
                .or(Expression::new().only_if_below(POINTS, number(1)))
                .only_if("status", text(to))
                .only_if_below(DELETION_UNTIL_US, number(now.as_microsecond().saturating_add(1)));
            let empty = under(empty, there.policy);
            let transaction = Transaction::new().delete(Part::Instance, there.key(), empty).delete(
                Part::Deletion,
                Key::Deletion(instance),
                Expression::new(),
            );
            if let Outcome::Done = self.transact(and_free_claims(transaction, &there)).await? {
                return Ok(());
            }
        }
        Err(changes_all_the_time(instance))
    }

    /// Puts `instance` under the policy `to`, or under none. Points that exist keep what was stamped on them.
    ///
    /// # Errors
    /// `PolicyNotFound`, `InstanceNotFound`, `InstanceNotProtected` where its protection is not configured yet,
    /// `ProtectionStopped` where its data is deleted. The same call again succeeds and changes nothing.
    pub async fn change_policy(
        &self,
        instance: InstanceId,
        to: Option<PolicyId>,
    ) -> Result<Instance, CatalogError> {
        for _ in 0..ATTEMPTS {
            let there = self.stored_instance(instance).await?;
            match there.status {
                ProtectionStatus::ConfiguringProtection => {
                    return Err(CatalogError::InstanceNotProtected(instance));
                }
                ProtectionStatus::SoftDeleted => return Err(CatalogError::ProtectionStopped(instance)),
                ProtectionStatus::Protected
                | ProtectionStatus::BackupsSuspended
                | ProtectionStatus::ProtectionStopped => {}
            }
            if there.policy == to {
                return Ok(there);
            }
            let change = match to {
                Some(policy) => Expression::new().set("policy", text(policy)),
                None => Expression::new().remove("policy"),
            };
            let change = under(change, there.policy).only_if("status", text(there.status));
            let mut transaction = Transaction::new().update(Part::Instance, there.key(), change);
            if let Some(from) = there.policy {
                transaction = and_leave(transaction, from, instance);
            }
            if let Some(policy) = to {
                transaction = and_join(transaction, policy, instance)?;
            }
            let Outcome::Refused(mut refusal) = self.transact(transaction).await? else {
                return Ok(Instance { policy: to, ..there });
            };
            // Where the instance has changed meanwhile, the rest was decided from what is no more.
            if refusal.of(Part::Instance).is_some() {
                continue;
            }
            if let (Some(policy), Some(None)) = (to, refusal.of(Part::Policy)) {
                return Err(CatalogError::PolicyNotFound(policy.to_string()));
            }
            return Err(CatalogError::Conflict {
                key: there.key().to_string(),
                found: "its policy does not count it".to_owned(),
            });
        }
        Err(changes_all_the_time(instance))
    }

    /// Moves the protection of `instance` to `to`, from where the table of transitions and `change` allow it, with
    /// what `change` changes besides. Nothing leaves a soft deletion by this way. Where it is `to` already, nothing
    /// changes.
    async fn change_status(
        &self,
        instance: InstanceId,
        to: ProtectionStatus,
        change: Expression,
    ) -> Result<Instance, CatalogError> {
        let moved = change
            .set("status", text(to))
            .only_if_one_of("status", ProtectionStatus::before(to))
            .only_if_not("status", text(ProtectionStatus::SoftDeleted));
        match self.update(&Key::Instance(instance), moved).await? {
            Written::Done(item) => decode(item),
            Written::Refused(item) => match item.map(decode::<Instance>).transpose()? {
                Some(there) if there.status == to => Ok(there),
                there => Err(not_changed(instance, to, there)),
            },
        }
    }
}

/// The same expression, demanding that the instance is under `policy`.
pub(crate) fn under(expression: Expression, policy: Option<PolicyId>) -> Expression {
    match policy {
        Some(policy) => expression.only_if("policy", text(policy)),
        None => expression.only_if_absent("policy"),
    }
}

/// Why the instance, as it was found, did not become `to`.
fn not_changed(instance: InstanceId, to: ProtectionStatus, found: Option<Instance>) -> CatalogError {
    match found {
        None => CatalogError::InstanceNotFound(instance.to_string()),
        Some(found) => CatalogError::ProtectionNotChanged { instance, from: found.status, to },
    }
}

fn changes_all_the_time(instance: InstanceId) -> CatalogError {
    CatalogError::Conflict {
        key: Key::Instance(instance).to_string(),
        found: "it changes all the time".to_owned(),
    }
}
