//! Policies, the claims that keep their names unique, and the instances under them.
//!
//! A policy counts its instances in its own record, in the transactions in which they come and go: so that deleting
//! one that is in use is refused by one condition, whoever else puts an instance under it at that moment.

use permafrost_domain::policy::{Policy, PolicyName, PolicyRef};
use permafrost_domain::wire::Page;
use permafrost_domain::{InstanceId, PolicyId};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{INDEX_SK, Key, MEMBER_PREFIX, PK, POLICIES};
use crate::listing::{Order, listed_at};
use crate::record::{Item, Record, decode, encode, invalid, key_of, nested, number, text};
use crate::transaction::{Outcome, Part, Refusal, Transaction};

/// The attribute of a policy that counts the instances under it.
const INSTANCES_UNDER: &str = "instances";

impl Record for Policy {
    fn key(&self) -> Key {
        Key::Policy(self.id)
    }

    fn listed(&self) -> Option<(String, String)> {
        Some((POLICIES.to_owned(), self.name.to_string()))
    }
}

/// The claim of a policy to its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyNameClaim {
    /// The name.
    pub(crate) name: PolicyName,
    /// Which policy bears it.
    pub(crate) policy: PolicyId,
}

impl Record for PolicyNameClaim {
    fn key(&self) -> Key {
        Key::PolicyName(self.name.clone())
    }
}

/// An instance under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The policy.
    pub(crate) policy: PolicyId,
    /// The instance.
    pub(crate) instance: InstanceId,
}

impl Record for Member {
    fn key(&self) -> Key {
        Key::Member(self.policy, self.instance)
    }
}

impl Catalog {
    /// Records a new policy.
    ///
    /// # Errors
    /// `PolicyNameAlreadyInUse` naming the policy in the way. The same call again succeeds and changes nothing.
    pub async fn create_policy(&self, policy: &Policy) -> Result<(), CatalogError> {
        let claim = PolicyNameClaim { name: policy.name.clone(), policy: policy.id };
        let transaction =
            Transaction::new().put_new(Part::Policy, encode(policy)?).put_new(Part::Name, encode(&claim)?);
        let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(()) };
        refuse_name_of_another(policy, &mut refusal)?;
        let there: Option<Policy> = refusal.of(Part::Policy).flatten().map(decode).transpose()?;
        match there {
            Some(there) if there == *policy => Ok(()),
            _ => Err(CatalogError::Conflict {
                key: policy.key().to_string(),
                found: "its id is another's, or it was changed since".to_owned(),
            }),
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// `PolicyNotFound`.
    pub async fn policy(&self, id: PolicyId) -> Result<Policy, CatalogError> {
        let found: Option<Policy> = self.record(&Key::Policy(id)).await?;
        found.ok_or_else(|| CatalogError::PolicyNotFound(id.to_string()))
    }

    /// The policy that a request names.
    ///
    /// # Errors
    /// `PolicyNotFound`.
    pub async fn find_policy(&self, named: &PolicyRef) -> Result<Policy, CatalogError> {
        match named {
            PolicyRef::Id(id) => self.policy(*id).await,
            PolicyRef::Name(name) => {
                let claim: Option<PolicyNameClaim> = self.record(&Key::PolicyName(name.clone())).await?;
                let claim = claim.ok_or_else(|| CatalogError::PolicyNotFound(name.to_string()))?;
                self.policy(claim.policy).await
            }
        }
    }

    /// Policies by name, at most `limit` (1 at least, `wire::MAX_PAGE` at most).
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn policies(&self, limit: u16, next: Option<&str>) -> Result<Page<Policy>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::Policies { name, id }) => Some(listed_at(&Key::Policy(id), POLICIES, name)),
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let policies = self.listed(POLICIES, after, limit, Order::Ascending).await?;
        let place = |last: &Policy| Continuation::Policies { name: last.name.clone(), id: last.id };
        Ok(policies.into_page(place))
    }

    /// Replaces the policy of `policy.id`, which must be of the revision `from_revision`; `policy` is of the next.
    /// Points that exist keep what was stamped on them.
    ///
    /// # Errors
    /// `PolicyChanged` where it is of another revision by now, `PolicyNameAlreadyInUse`, `PolicyNotFound`. The
    /// same call again succeeds and changes nothing.
    pub async fn replace_policy(&self, policy: &Policy, from_revision: u32) -> Result<(), CatalogError> {
        if Some(policy.revision) != from_revision.checked_add(1) {
            let found = format!("revision {} does not follow {from_revision}", policy.revision);
            return Err(CatalogError::Conflict { key: policy.key().to_string(), found });
        }
        let there = self.policy(policy.id).await?;
        if there == *policy {
            return Ok(());
        }
        if there.revision != from_revision {
            return Err(CatalogError::PolicyChanged { policy: policy.id, revision: there.revision });
        }
        let key = policy.key();
        let change = Expression::new()
            .set("name", text(&policy.name))
            .set(INDEX_SK, text(&policy.name))
            .set("revision", number(policy.revision))
            .set("spec", nested(&key, &policy.spec)?)
            .set("updated_at", text(policy.updated_at))
            .only_if("revision", number(from_revision))
            .only_if("name", text(&there.name));
        let mut transaction = Transaction::new().update(Part::Policy, key, change);
        if there.name != policy.name {
            let claim = PolicyNameClaim { name: policy.name.clone(), policy: policy.id };
            let own = Expression::new().only_if("policy", text(policy.id));
            transaction = transaction.put_new(Part::Name, encode(&claim)?).delete(
                Part::OldName,
                Key::PolicyName(there.name),
                own,
            );
        }
        let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(()) };
        match refusal.of(Part::Policy) {
            Some(None) => return Err(CatalogError::PolicyNotFound(policy.id.to_string())),
            Some(Some(there)) => {
                let there: Policy = decode(there)?;
                if there == *policy {
                    return Ok(());
                }
                return Err(CatalogError::PolicyChanged { policy: policy.id, revision: there.revision });
            }
            None => {}
        }
        refuse_name_of_another(policy, &mut refusal)?;
        Err(CatalogError::Conflict {
            key: policy.key().to_string(),
            found: "its name is not claimed by it".to_owned(),
        })
    }

    /// Deletes the policy, where no instance is under it.
    ///
    /// # Errors
    /// `PolicyInUse` with the number of its instances; `PolicyNotFound`, also where it was deleted by this call
    /// before; `PolicyChanged` where somebody renamed it meanwhile.
    pub async fn delete_policy(&self, id: PolicyId) -> Result<(), CatalogError> {
        let policy = self.policy(id).await?;
        let unused = Expression::new()
            .only_if_absent(INSTANCES_UNDER)
            .or(Expression::new().only_if(INSTANCES_UNDER, number(0)))
            .only_if("name", text(&policy.name));
        let own = Expression::new().only_if("policy", text(id));
        let transaction = Transaction::new().delete(Part::Policy, policy.key(), unused).delete(
            Part::Name,
            Key::PolicyName(policy.name.clone()),
            own,
        );
        let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(()) };
        match refusal.of(Part::Policy) {
            Some(None) => Err(CatalogError::PolicyNotFound(id.to_string())),
            Some(Some(item)) => match instances_under(&item)? {
                0 => {
                    let revision = decode::<Policy>(item)?.revision;
                    Err(CatalogError::PolicyChanged { policy: id, revision })
                }
                instances => Err(CatalogError::PolicyInUse { policy: id, instances }),
            },
            None => Err(CatalogError::Conflict {
                key: Key::PolicyName(policy.name).to_string(),
                found: "it is not the policy's claim".to_owned(),
            }),
        }
    }

    /// The instances under the policy, by id, at most `limit` (1 at least, `wire::MAX_PAGE` at most). None where
    /// there is no such policy.
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn policy_instances(
        &self,
        policy: PolicyId,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<InstanceId>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::Members { policy: of, instance }) if of == policy => Some(instance),
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let after = after.map(|instance| Key::Member(policy, instance));
        let members = self
            .standing_under(&Key::Policy(policy), MEMBER_PREFIX, after.as_ref(), limit, Order::Ascending)
            .await?;
        let place = |last: &Member| Continuation::Members { policy, instance: last.instance };
        let page = members.into_page(place);
        Ok(Page {
            items: page.items.into_iter().map(|member: Member| member.instance).collect(),
            next: page.next,
        })
    }
}

/// The same transaction, putting `instance` under `policy`, which must be there.
pub(crate) fn and_join(
    transaction: Transaction,
    policy: PolicyId,
    instance: InstanceId,
) -> Result<Transaction, CatalogError> {
    let counted = Expression::new().add(INSTANCES_UNDER, 1).only_if_present(PK);
    Ok(transaction
        .update(Part::Policy, Key::Policy(policy), counted)
        .put_new(Part::Member, encode(&Member { policy, instance })?))
}

/// The same transaction, taking `instance` from under `policy`.
pub(crate) fn and_leave(transaction: Transaction, policy: PolicyId, instance: InstanceId) -> Transaction {
    let counted = Expression::new().add(INSTANCES_UNDER, -1).only_if_present(PK);
    transaction.update(Part::OldPolicy, Key::Policy(policy), counted).delete(
        Part::OldMember,
        Key::Member(policy, instance),
        Expression::new().only_if_present(PK),
    )
}

/// The error where the name of `policy` is claimed by another.
fn refuse_name_of_another(policy: &Policy, refusal: &mut Refusal) -> Result<(), CatalogError> {
    let claim: Option<PolicyNameClaim> = refusal.of(Part::Name).flatten().map(decode).transpose()?;
    match claim {
        Some(PolicyNameClaim { name, policy: other }) if other != policy.id => {
            Err(CatalogError::PolicyNameAlreadyInUse { name, policy: other })
        }
        _ => Ok(()),
    }
}

/// How many instances the policy in `item` counts.
fn instances_under(item: &Item) -> Result<u64, CatalogError> {
    let Some(count) = item.get(INSTANCES_UNDER) else { return Ok(0) };
    let parsed = count.as_n().ok().and_then(|count| count.parse().ok());
    match parsed {
        Some(count) => Ok(count),
        None => Err(invalid(&key_of(item)?, "its count of instances is no number")),
    }
}
