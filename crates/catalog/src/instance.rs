//! Instances, and the claims that keep names and databases unique: an instance, the claim to its name and the
//! claim to its database come and go in one transaction.

use permafrost_domain::InstanceId;
use permafrost_domain::instance::{Instance, InstanceName, InstanceRef};
use permafrost_domain::job::Job;
use permafrost_domain::retention::{InstanceFacts, NewestGoodPoint};
use permafrost_domain::wire::Page;
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::backup::RunningBackup;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::decode_job;
use crate::keys::{INSTANCES, Key};
use crate::listing::{Order, listed_at};
use crate::open_job::and_open;
use crate::policy::{and_join, and_leave};
use crate::record::{Item, Record, decode, encode, invalid, key_of, text};
use crate::transaction::{Outcome, Part, Transaction};

/// The attribute of an instance that counts its points: those that are not deleted or being deleted.
pub(crate) const POINTS: &str = "points";

impl Record for Instance {
    fn key(&self) -> Key {
        Key::Instance(self.id)
    }

    fn listed(&self) -> Option<(String, String)> {
        Some((INSTANCES.to_owned(), self.name.to_string()))
    }
}

/// The claim of an instance to its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NameClaim {
    /// The name.
    pub(crate) name: InstanceName,
    /// Who bears it.
    pub(crate) instance: InstanceId,
}

impl Record for NameClaim {
    fn key(&self) -> Key {
        Key::InstanceName(self.name.clone())
    }
}

/// The claim of an instance to its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataSourceClaim {
    /// The database, by `DataSource::identity`.
    pub(crate) identity: String,
    /// Who protects it.
    pub(crate) instance: InstanceId,
}

impl Record for DataSourceClaim {
    fn key(&self) -> Key {
        Key::DataSource(self.identity.clone())
    }
}

impl Catalog {
    /// Records a new instance, under its policy where it names one, together with the job that configures its
    /// protection.
    ///
    /// # Errors
    /// `DatabaseAlreadyProtected` and `InstanceNameAlreadyInUse`, each naming the instance in the way;
    /// `PolicyNotFound`. The same call again succeeds and changes nothing.
    pub async fn protect(&self, instance: &Instance, job: &Job) -> Result<(), CatalogError> {
        let database = DataSourceClaim { identity: instance.data_source.identity(), instance: instance.id };
        let name = NameClaim { name: instance.name.clone(), instance: instance.id };
        let stored = Instance { running_backup: None, ..instance.clone() };
        let mut transaction = Transaction::new()
            .put_new(Part::Instance, encode(&stored)?)
            .put_new(Part::DataSource, encode(&database)?)
            .put_new(Part::Name, encode(&name)?);
        if let Some(policy) = instance.policy {
            transaction = and_join(transaction, policy, instance.id)?;
        }
        let transaction = and_open(transaction, job)?;
        let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(()) };
        let claimed: Option<DataSourceClaim> =
            refusal.of(Part::DataSource).flatten().map(decode).transpose()?;
        if let Some(DataSourceClaim { identity, instance: other }) = claimed
            && other != instance.id
        {
            return Err(CatalogError::DatabaseAlreadyProtected { database: identity, instance: other });
        }
        let named: Option<NameClaim> = refusal.of(Part::Name).flatten().map(decode).transpose()?;
        if let Some(NameClaim { name, instance: other }) = named
            && other != instance.id
        {
            return Err(CatalogError::InstanceNameAlreadyInUse { name, instance: other });
        }
        // Refused by ourselves: all of them stand, for they come together.
        let same_instance = refusal.of(Part::Instance).flatten().is_some();
        let earlier: Option<Job> = refusal.of(Part::Job).flatten().map(decode_job).transpose()?;
        match (earlier, instance.policy) {
            (Some(earlier), _) if same_instance && earlier.instance == instance.id => Ok(()),
            (None, Some(policy)) if !same_instance && matches!(refusal.of(Part::Policy), Some(None)) => {
                Err(CatalogError::PolicyNotFound(policy.to_string()))
            }
            _ => Err(CatalogError::Conflict {
                key: stored.key().to_string(),
                found: "its id or its job's is another's".to_owned(),
            }),
        }
    }

    /// The instance, with the backup that is running.
    ///
    /// # Errors
    /// `InstanceNotFound`.
    pub async fn instance(&self, id: InstanceId) -> Result<Instance, CatalogError> {
        let (instance_key, lock_key) = (Key::Instance(id), Key::RunningBackup(id));
        let (instance, lock) = tokio::try_join!(
            self.record::<Instance>(&instance_key),
            self.record::<RunningBackup>(&lock_key)
        )?;
        let mut instance = instance.ok_or_else(|| CatalogError::InstanceNotFound(id.to_string()))?;
        instance.running_backup = lock.map(|lock| lock.job);
        Ok(instance)
    }

    /// What a retention plan needs to know of the instance, in one read: its points are counted as they come and go,
    /// and the newest good one is noted with every change.
    ///
    /// # Errors
    /// `InstanceNotFound`.
    pub async fn instance_facts(&self, id: InstanceId) -> Result<InstanceFacts, CatalogError> {
        self.instance_with_facts(id).await.map(|(_, facts)| facts)
    }

    /// The instance as it is stored, without the backup that is running, and what a retention plan needs to know of it:
    /// one read for both.
    ///
    /// # Errors
    /// `InstanceNotFound`.
    pub async fn instance_with_facts(
        &self,
        id: InstanceId,
    ) -> Result<(Instance, InstanceFacts), CatalogError> {
        let item = self.item(&Key::Instance(id)).await?;
        let item = item.ok_or_else(|| CatalogError::InstanceNotFound(id.to_string()))?;
        let points = points_of(&item)?;
        let instance: Instance = decode(item)?;
        let newest_good = instance
            .latest_point
            .zip(instance.latest_consistent_at)
            .map(|(id, consistent_at)| NewestGoodPoint { id, consistent_at });
        let (stopped, deletion) = (instance.stopped, instance.deletion.clone());
        Ok((instance, InstanceFacts { instance: id, points, newest_good, stopped, deletion }))
    }

    /// The instance as it is stored, without the backup that is running.
    pub(crate) async fn stored_instance(&self, id: InstanceId) -> Result<Instance, CatalogError> {
        let instance: Option<Instance> = self.record(&Key::Instance(id)).await?;
        instance.ok_or_else(|| CatalogError::InstanceNotFound(id.to_string()))
    }

    /// The instance that a request names.
    ///
    /// # Errors
    /// `InstanceNotFound`.
    pub async fn resolve(&self, named: &InstanceRef) -> Result<Instance, CatalogError> {
        match named {
            InstanceRef::Id(id) => self.instance(*id).await,
            InstanceRef::Name(name) => {
                let claim: Option<NameClaim> = self.record(&Key::InstanceName(name.clone())).await?;
                let claim = claim.ok_or_else(|| CatalogError::InstanceNotFound(name.to_string()))?;
                self.instance(claim.instance).await
            }
        }
    }

    /// Instances by name, at most `limit` (1 at least, `wire::MAX_PAGE` at most). Which backups run is not
    /// looked up.
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn list_instances(
        &self,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<Instance>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::Instances { name, id }) => {
                Some(listed_at(&Key::Instance(id), INSTANCES, name))
            }
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let instances = self.listed(INSTANCES, after, limit, Order::Ascending).await?;
        let place = |last: &Instance| Continuation::Instances { name: last.name.clone(), id: last.id };
        Ok(instances.into_page(place))
    }
}

/// The same transaction, deleting the claims of `instance` to its name and to its database, and taking it from under
/// its policy.
pub(crate) fn and_free_claims(transaction: Transaction, instance: &Instance) -> Transaction {
    let own = || Expression::new().only_if("instance", text(instance.id));
    let transaction = transaction.delete(Part::Name, Key::InstanceName(instance.name.clone()), own()).delete(
        Part::DataSource,
        Key::DataSource(instance.data_source.identity()),
        own(),
    );
    match instance.policy {
        Some(policy) => and_leave(transaction, policy, instance.id),
        None => transaction,
    }
}

/// How many points the instance in `item` counts; fewer where it is older than the count.
pub(crate) fn points_of(item: &Item) -> Result<u64, CatalogError> {
    let Some(count) = item.get(POINTS) else { return Ok(0) };
    let parsed = count.as_n().ok().and_then(|count| count.parse::<i64>().ok());
    match parsed {
        Some(count) => Ok(u64::try_from(count).unwrap_or(0)),
        None => Err(invalid(&key_of(item)?, "its count of points is no number")),
    }
}
