//! Object Lock against the vault's own administrator: a role that may do everything in the store.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod role;
mod support;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier, ObjectLockRetention, ObjectLockRetentionMode};
use jiff::{SignedDuration, Timestamp};
use permafrost_domain::immutability::LockMode;
use permafrost_vault::{ObjectVersion, Store, VaultError};

use role::Role;
use support::{Stores, stores};

/// Every permission that there is in S3, that to bypass governance locks among them.
const ADMINISTRATOR: Role = Role { allow: "s3:*", deny: None };
/// Every permission but that one.
const WITHOUT_BYPASS: Role = Role { allow: "s3:*", deny: Some("s3:BypassGovernanceRetention") };

const ROWS: &[u8] = b"rows";

/// Whether a request asks for governance locks to be bypassed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bypass {
    Asked,
    NotAsked,
}

/// In days from a moment that is far enough away for the emulator's clock.
fn day(n: i64) -> Timestamp {
    "2090-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * n)
}

/// A version under a compliance lock outlives everything that the administrator can ask for: it is not deleted, alone or
/// in a list, and its lock is neither shortened nor weakened; with the bypass and without. It can be lengthened.
#[tokio::test]
async fn a_compliance_lock_holds_against_the_administrator() {
    let stores = stores().await;
    let object = locked(&stores, LockMode::Compliance).await;
    let administrator = Administrator::new(&stores, ADMINISTRATOR).await;
    administrator.has_power(&stores).await;
    for bypass in [Bypass::Asked, Bypass::NotAsked] {
        denied("delete", administrator.delete(&object, bypass).await);
        let failed = administrator.delete_in_a_list(&object, bypass).await;
        assert_eq!(failed.as_deref(), Some("AccessDenied"), "{bypass:?}");
        let shorter = administrator.lock(&object, ObjectLockRetentionMode::Compliance, day(5), bypass).await;
        denied("shorten the lock", shorter);
        let weaker = administrator.lock(&object, ObjectLockRetentionMode::Governance, day(10), bypass).await;
        denied("weaken the lock", weaker);
    }
    let gone = administrator.client.delete_bucket().bucket(stores.backup.bucket()).send().await;
    assert_eq!(gone.unwrap_err().code(), Some("BucketNotEmpty"));
    assert_kept(&stores, &object, LockMode::Compliance, day(10)).await;
    // Nor by the way that the vault's own functions take.
    let store = Store::new(administrator.client.clone(), stores.backup.bucket(), support::KEY);
    match store.delete_version(&stores.layout, &object).await {
        Err(VaultError::Locked { lock, .. }) => {
            assert_eq!(lock.retention, Some((LockMode::Compliance, day(10))));
        }
        other => panic!("{other:?}"),
    }

    let longer =
        administrator.lock(&object, ObjectLockRetentionMode::Compliance, day(20), Bypass::NotAsked).await;
    longer.expect("a lock may always be lengthened");
    assert_kept(&stores, &object, LockMode::Compliance, day(20)).await;
}

/// A version under a governance lock is kept from whoever does not ask for the bypass, or has no right to it; whoever
/// has and asks can shorten the lock, and delete.
#[tokio::test]
async fn a_governance_lock_yields_to_the_right_to_bypass_it_and_to_nothing_else() {
    let stores = stores().await;
    let object = locked(&stores, LockMode::Governance).await;
    let administrator = Administrator::new(&stores, ADMINISTRATOR).await;
    let other = Administrator::new(&stores, WITHOUT_BYPASS).await;
    other.has_power(&stores).await;
    let governance = ObjectLockRetentionMode::Governance;
    for (who, bypass) in
        [(&administrator, Bypass::NotAsked), (&other, Bypass::NotAsked), (&other, Bypass::Asked)]
    {
        denied("delete", who.delete(&object, bypass).await);
        denied("shorten the lock", who.lock(&object, governance.clone(), day(5), bypass).await);
        assert_kept(&stores, &object, LockMode::Governance, day(10)).await;
    }
    let shortened = administrator.lock(&object, governance, day(5), Bypass::Asked).await;
    shortened.expect("it is shortened with the bypass");
    assert_kept(&stores, &object, LockMode::Governance, day(5)).await;
    administrator.delete(&object, Bypass::Asked).await.expect("it is deleted with the bypass");
    assert_eq!(stores.versions(&stores.backup, &object.key).await, 0);
}

/// A segment under a lock of ten days.
async fn locked(stores: &Stores, mode: LockMode) -> ObjectVersion {
    let object = ObjectVersion::from(&stores.segment(0, ROWS).await);
    stores.backup.lock_until(&stores.layout, &object, mode, day(10)).await.unwrap();
    object
}

/// The version is there with its bytes, and locked like this.
async fn assert_kept(stores: &Stores, object: &ObjectVersion, mode: LockMode, until: Timestamp) {
    let lock = stores.backup.lock(&stores.layout, object).await.unwrap();
    assert_eq!(lock.retention, Some((mode, until)));
    let get = stores.client.get_object().bucket(stores.backup.bucket()).key(stores.layout.key(&object.key));
    let got = get.version_id(&object.version).send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), ROWS);
    assert_eq!(stores.versions(&stores.backup, &object.key).await, 1);
}

/// A session of a role of the vault's account.
struct Administrator<'s> {
    client: Client,
    stores: &'s Stores,
}

impl<'s> Administrator<'s> {
    async fn new(stores: &'s Stores, role: Role) -> Self {
        Self { client: role.s3(stores).await, stores }
    }

    /// What is not locked is in its hands: else nothing would follow from a refusal.
    async fn has_power(&self, stores: &Stores) {
        let object = ObjectVersion::from(&stores.segment(9, ROWS).await);
        self.delete(&object, Bypass::NotAsked).await.expect("what is not locked is deleted");
        assert_eq!(stores.versions(&stores.backup, &object.key).await, 0);
    }

    async fn delete(
        &self,
        object: &ObjectVersion,
        bypass: Bypass,
    ) -> Result<(), SdkError<aws_sdk_s3::operation::delete_object::DeleteObjectError>> {
        let delete = self.client.delete_object().bucket(self.stores.backup.bucket());
        let delete = delete.key(self.stores.layout.key(&object.key)).version_id(&object.version);
        delete.set_bypass_governance_retention(bypass.header()).send().await.map(drop)
    }

    /// Deletes by a list of one; the code of its failure.
    async fn delete_in_a_list(&self, object: &ObjectVersion, bypass: Bypass) -> Option<String> {
        let key = self.stores.layout.key(&object.key);
        let listed = ObjectIdentifier::builder().key(key).version_id(&object.version).build().unwrap();
        let list = Delete::builder().objects(listed).build().unwrap();
        let delete = self.client.delete_objects().bucket(self.stores.backup.bucket()).delete(list);
        let answer = delete.set_bypass_governance_retention(bypass.header()).send().await.unwrap();
        answer.errors().first().and_then(|error| error.code()).map(str::to_owned)
    }

    async fn lock(
        &self,
        object: &ObjectVersion,
        mode: ObjectLockRetentionMode,
        until: Timestamp,
        bypass: Bypass,
    ) -> Result<(), SdkError<aws_sdk_s3::operation::put_object_retention::PutObjectRetentionError>> {
        let until = DateTime::from_secs(until.as_second());
        let retention = ObjectLockRetention::builder().mode(mode).retain_until_date(until).build();
        let put = self.client.put_object_retention().bucket(self.stores.backup.bucket());
        let put = put.key(self.stores.layout.key(&object.key)).version_id(&object.version);
        put.retention(retention).set_bypass_governance_retention(bypass.header()).send().await.map(drop)
    }
}

impl Bypass {
    fn header(self) -> Option<bool> {
        (self == Self::Asked).then_some(true)
    }
}

fn denied<E: ProvideErrorMetadata + std::fmt::Debug>(what: &str, result: Result<(), SdkError<E>>) {
    match result {
        Ok(()) => panic!("it was allowed to {what}"),
        Err(SdkError::ServiceError(error)) => {
            assert_eq!(error.err().code(), Some("AccessDenied"), "{what}: {error:?}");
        }
        Err(other) => panic!("{what}: {other:?}"),
    }
}
