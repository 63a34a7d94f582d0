//! What is there, held against what was foretold: points by the catalog, objects by the lists of both buckets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use permafrost_domain::immutability::LockMode;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::StampedRetention;
use permafrost_domain::simulate::{Simulation, StoreKind};
use permafrost_domain::tiering::ArchiveClass;
use permafrost_function::point::OpenPoint;
use permafrost_vault::layout::VAULT_KEY;
use permafrost_vault::object_lock::LegalHold;
use permafrost_vault::{ObjectVersion, PointLayout};

use permafrost_testing::{Place, Vault};

/// What counts of a point: the moment whose data it holds, when it was committed, what was stamped on it and why, and
/// where it is.
type Seen = (Timestamp, Timestamp, StampedRetention, StoreKind);

/// The class of an object that nobody has archived, as a list names it.
const STANDARD: &str = "STANDARD";

/// An object as its bucket has it: store, key, version.
type Object = (Place, String, String);

/// The points that exist at `now` are those of the simulation, by the same rules, for the same reasons, until the same
/// times, in the same stores. All others have left a tombstone. Returns those that exist.
pub(crate) async fn assert_points(
    vault: &Vault,
    foretold: &Simulation,
    now: Timestamp,
) -> Vec<RecoveryPoint> {
    let records = all_points(vault).await;
    let committed = foretold.points.iter().filter(|point| point.committed_at <= now).count();
    assert_eq!(records.len(), committed, "points that were ever committed, at {now}");
    let there: Vec<RecoveryPoint> =
        records.into_iter().filter(|record| record.state != PointState::Expired).collect();
    let found: Vec<Seen> = there.iter().map(seen).collect();
    let expected: Vec<Seen> = foretold
        .at(now)
        .map(|(point, store)| (point.time, point.committed_at, point.retention.clone(), store))
        .collect();
    let times = |seen: &[Seen]| seen.iter().map(|(time, _, _, store)| (*time, *store)).collect::<Vec<_>>();
    assert_eq!(times(&found), times(&expected), "at {now}");
    assert_eq!(found, expected, "at {now}");
    there
}

/// The objects in both buckets are those of `points`, each once, in its class and under its lock; there is no other.
pub(crate) async fn assert_objects(vault: &Vault, points: &[RecoveryPoint], now: Timestamp) {
    let mut expected: BTreeMap<Object, (String, Timestamp)> = BTreeMap::new();
    let mut places: BTreeMap<Object, (PointLayout, ObjectVersion)> = BTreeMap::new();
    for point in points {
        assert_eq!(point.locked_until, Some(leaves_its_store(point)), "{}", point.id);
        let open = OpenPoint::to_describe(&vault.tools, point.instance, point.id).await.unwrap();
        for (place, object, class, until) in objects_of(vault, point, &open).await {
            let key = (place, open.layout.key(&object.key), object.version.clone());
            places.insert(key.clone(), (open.layout, object));
            assert_eq!(expected.insert(key, (class, until)), None);
        }
    }

    let listed = listed(vault).await;
    let of_points = |(_, key, _): &Object| key != VAULT_KEY;
    assert_eq!(
        listed.keys().filter(|object| !of_points(object)).count(),
        1,
        "the object that names the vault"
    );
    let mut found = BTreeMap::new();
    for (object, class) in listed.into_iter().filter(|(object, _)| of_points(object)) {
        let Some((layout, version)) = places.get(&object) else {
            panic!("{object:?} belongs to no point that exists");
        };
        let store = if object.0 == Place::Backup { &vault.tools.store } else { &vault.tools.archive };
        let lock = store.lock(layout, version).await.unwrap();
        let (mode, until) = lock.retention.unwrap_or_else(|| panic!("{object:?} has no lock"));
        assert_eq!((mode, lock.hold), (LockMode::Compliance, LegalHold::Off), "{object:?}");
        assert!(lock.keeps(now), "{object:?} is locked until {until}");
        found.insert(object, (class, until));
    }
    assert_eq!(found, expected);
}

/// The point's objects: the store, which it is, its class there, and until when it is locked.
async fn objects_of(
    vault: &Vault,
    point: &RecoveryPoint,
    open: &OpenPoint,
) -> Vec<(Place, ObjectVersion, String, Timestamp)> {
    let deleted_on = point.retention.deleted_on();
    let standard = STANDARD.to_owned();
    let named = |name: &'static str| vault.tools.store.current_version(&open.layout, name);
    let manifest = ObjectVersion { key: point.manifest.key.clone(), version: point.manifest.version.clone() };
    let mut hot: Vec<ObjectVersion> = open.manifest.descriptions().map(ObjectVersion::from).collect();
    hot.extend([manifest, named(PointLayout::PLAN).await.unwrap().expect("a point has its plan")]);
    let mut objects = Vec::new();
    if let Some(archive) = &open.archive {
        hot.push(named(PointLayout::ARCHIVE).await.unwrap().expect("an archived point names its copies"));
        let class = match point.retention.archive.and_then(|archive| archive.class) {
            Some(ArchiveClass::FlexibleRetrieval) => "GLACIER",
            Some(ArchiveClass::DeepArchive) => "DEEP_ARCHIVE",
            None => panic!("the policy names a class"),
        };
        let copies = archive.segments.iter().map(ObjectVersion::from);
        objects.extend(copies.map(|copy| (Place::Archive, copy, class.to_owned(), deleted_on)));
    } else {
        let until = point.retention.backup_store_until;
        let segments = open.manifest.segments().map(ObjectVersion::from);
        objects.extend(segments.map(|segment| (Place::Backup, segment, standard.clone(), until)));
    }
    objects.extend(hot.into_iter().map(|object| (Place::Backup, object, standard.clone(), deleted_on)));
    objects
}

/// Every point that was ever committed, the oldest first.
async fn all_points(vault: &Vault) -> Vec<RecoveryPoint> {
    let mut points = vault.points().await;
    points.sort_by_key(|point| (point.consistent_at, point.committed_at));
    points
}

fn seen(point: &RecoveryPoint) -> Seen {
    let store = match point.state {
        PointState::Available => StoreKind::Backup,
        PointState::Archived => StoreKind::Archive,
        state => panic!("the point of {} is {state:?}", point.consistent_at),
    };
    assert_eq!(point.archive.is_some(), store == StoreKind::Archive, "{}", point.id);
    assert!(point.retention.policy.is_some(), "{} was committed under the policy", point.id);
    // A simulation is of a policy's words: it knows no policy of a vault.
    let retention = StampedRetention { policy: None, ..point.retention.clone() };
    (point.consistent_at, point.committed_at, retention, store)
}

/// When the point leaves the store that it is in.
fn leaves_its_store(point: &RecoveryPoint) -> Timestamp {
    match point.state {
        PointState::Archived => point.retention.deleted_on(),
        _ => point.retention.backup_store_until,
    }
}

/// Every version of every object of both buckets, with its class.
async fn listed(vault: &Vault) -> BTreeMap<Object, String> {
    let mut objects = BTreeMap::new();
    for (place, bucket) in
        [(Place::Backup, vault.tools.store.bucket()), (Place::Archive, vault.tools.archive.bucket())]
    {
        let page = vault.s3().list_object_versions().bucket(bucket).send().await.unwrap();
        assert_eq!(page.is_truncated(), Some(false), "one page has all objects of {bucket}");
        assert!(page.delete_markers().is_empty(), "a deletion without a version");
        for version in page.versions() {
            let class = version.storage_class().map_or(STANDARD, |class| class.as_str());
            let object = (place, version.key().unwrap().to_owned(), version.version_id().unwrap().to_owned());
            objects.insert(object, class.to_owned());
        }
    }
    objects
}
