//! Policies: their names, their revisions, the instances under them, and the races between using and deleting one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use permafrost_catalog::{Catalog, CatalogError, JobOutcome};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::policy::{Policy, PolicyRef};
use permafrost_domain::{Code, Fault, InstanceId, JobId, PolicyId};
use support::emulator::table;
use support::samples::{at, instance, job, policy, protected};

/// The `n`th instance, under `policy`, and its job.
fn under(n: u32, policy: PolicyId) -> (Instance, Job) {
    let instance = Instance { policy: Some(policy), ..instance(n) };
    let configure =
        Job { id: JobId::new(at(0), u128::from(n)), ..job(Operation::ConfigureProtection, &instance, 0) };
    (instance, configure)
}

async fn members(catalog: &Catalog, policy: PolicyId) -> Vec<InstanceId> {
    catalog.policy_instances(policy, 100, None).await.unwrap().items
}

#[tokio::test]
async fn a_policy_is_found_by_id_and_by_name_and_listed_by_name() {
    let catalog = table().await.catalog;
    for n in [3, 1, 2] {
        catalog.create_policy(&policy(n)).await.unwrap();
    }
    catalog.create_policy(&policy(2)).await.expect("a repetition meets itself");
    assert_eq!(catalog.policy(policy(2).id).await.unwrap(), policy(2));
    assert_eq!(catalog.find_policy(&PolicyRef::Name(policy(2).name)).await.unwrap(), policy(2));
    assert_eq!(catalog.find_policy(&PolicyRef::Id(policy(3).id)).await.unwrap(), policy(3));
    for missing in [PolicyRef::Id(policy(9).id), PolicyRef::Name(policy(9).name)] {
        assert_eq!(catalog.find_policy(&missing).await.unwrap_err().code(), Code::PolicyNotFound);
    }
    let first = catalog.policies(2, None).await.unwrap();
    let second = catalog.policies(2, first.next.as_deref()).await.unwrap();
    let listed: Vec<Policy> = first.items.into_iter().chain(second.items).collect();
    assert_eq!((listed, second.next), (vec![policy(1), policy(2), policy(3)], None));
    let elsewhere = catalog.list_instances(2, first.next.as_deref()).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::InvalidRequest);
}

#[tokio::test]
async fn a_name_belongs_to_one_policy() {
    let catalog = table().await.catalog;
    catalog.create_policy(&policy(1)).await.unwrap();
    let other = Policy { name: policy(1).name, ..policy(2) };
    let fault = Fault::from(catalog.create_policy(&other).await.unwrap_err());
    assert_eq!(fault.code, Code::PolicyNameAlreadyInUse);
    assert_eq!(fault.object, Some(format!("policy {}", policy(1).id)));
    assert_eq!(catalog.policy(other.id).await.unwrap_err().code(), Code::PolicyNotFound);
    catalog.create_policy(&policy(2)).await.unwrap();
    let renamed = Policy { name: policy(1).name, revision: 2, ..policy(2) };
    let error = catalog.replace_policy(&renamed, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::PolicyNameAlreadyInUse);
    assert_eq!(catalog.policy(policy(2).id).await.unwrap(), policy(2));
    // Another policy in the place of one that is there is no repetition.
    let changed = Policy { revision: 7, ..policy(1) };
    assert_eq!(catalog.create_policy(&changed).await.unwrap_err().code(), Code::CatalogConflict);
}

#[tokio::test]
async fn a_policy_is_replaced_by_its_next_revision_alone() {
    let catalog = table().await.catalog;
    let first = policy(1);
    catalog.create_policy(&first).await.unwrap();
    let second = Policy {
        name: "renamed".parse().unwrap(),
        revision: 2,
        updated_at: at(50),
        spec: permafrost_domain::policy::PolicySpec::parse("retention: {default: {backup_store: P7D}}")
            .unwrap(),
        ..first.clone()
    };
    for _ in 0..2 {
        catalog.replace_policy(&second, 1).await.unwrap();
        assert_eq!(catalog.policy(first.id).await.unwrap(), second);
    }
    assert_eq!(catalog.find_policy(&PolicyRef::Name(second.name.clone())).await.unwrap(), second);
    let by_old_name = catalog.find_policy(&PolicyRef::Name(first.name.clone())).await.unwrap_err();
    assert_eq!(by_old_name.code(), Code::PolicyNotFound);
    assert_eq!(catalog.policies(10, None).await.unwrap().items, std::slice::from_ref(&second));
    catalog.create_policy(&Policy { id: policy(2).id, ..first.clone() }).await.expect("the old name is free");

    let late = Policy { revision: 2, updated_at: at(60), ..first.clone() };
    let error = catalog.replace_policy(&late, 1).await.unwrap_err();
    assert!(matches!(error, CatalogError::PolicyChanged { revision: 2, .. }), "{error:?}");
    let skipping = Policy { revision: 4, ..second.clone() };
    assert_eq!(catalog.replace_policy(&skipping, 2).await.unwrap_err().code(), Code::CatalogConflict);
    assert_eq!(catalog.replace_policy(&policy(9), 0).await.unwrap_err().code(), Code::PolicyNotFound);
    // Of two editors at once one wins.
    let (one, two) = (Policy { revision: 3, ..second.clone() }, Policy { revision: 3, ..first.clone() });
    let two = Policy { name: second.name.clone(), ..two };
    let (a, b) = tokio::join!(catalog.replace_policy(&one, 2), catalog.replace_policy(&two, 2));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    assert_eq!(a.err().or(b.err()).unwrap().code(), Code::PolicyChanged);
}

#[tokio::test]
async fn a_policy_in_use_is_not_deleted() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    let (shop, configure) = under(1, daily.id);
    let error = catalog.protect(&shop, &configure).await.unwrap_err();
    assert_eq!(error.code(), Code::PolicyNotFound);
    assert_eq!(catalog.instance(shop.id).await.unwrap_err().code(), Code::InstanceNotFound);
    assert_eq!(catalog.open_jobs(10, None).await.unwrap().items, []);

    catalog.create_policy(&daily).await.unwrap();
    for _ in 0..2 {
        catalog.protect(&shop, &configure).await.expect("a repetition meets itself");
    }
    assert_eq!(members(&catalog, daily.id).await, [shop.id]);
    let error = catalog.delete_policy(daily.id).await.unwrap_err();
    assert!(matches!(error, CatalogError::PolicyInUse { instances: 1, .. }), "{error:?}");
    // It stays in use when it is changed.
    catalog.replace_policy(&Policy { revision: 2, ..daily.clone() }, 1).await.unwrap();
    assert_eq!(catalog.delete_policy(daily.id).await.unwrap_err().code(), Code::PolicyInUse);

    // A protection that fails leaves its policy.
    let failed = JobOutcome::Failed(Fault::new(Code::DatabaseNotFound, "no such database"));
    catalog.close_job(configure.id, &failed, at(5)).await.unwrap();
    assert_eq!(members(&catalog, daily.id).await, []);
    catalog.delete_policy(daily.id).await.unwrap();
    assert_eq!(catalog.delete_policy(daily.id).await.unwrap_err().code(), Code::PolicyNotFound);
    catalog.create_policy(&Policy { id: policy(2).id, ..daily }).await.expect("its name is free");
}

#[tokio::test]
async fn an_instance_changes_its_policy_and_is_counted_once() {
    let catalog = table().await.catalog;
    let (one, two) = (policy(1), policy(2));
    let shop = protected(&catalog, 1).await;
    let missing = catalog.change_policy(shop.id, Some(one.id)).await.unwrap_err();
    assert_eq!(missing.code(), Code::PolicyNotFound);
    catalog.create_policy(&one).await.unwrap();
    catalog.create_policy(&two).await.unwrap();
    for to in [Some(one.id), Some(two.id), None, Some(one.id), None] {
        for _ in 0..2 {
            assert_eq!(catalog.change_policy(shop.id, to).await.unwrap().policy, to);
        }
        assert_eq!(catalog.instance(shop.id).await.unwrap(), Instance { policy: to, ..shop.clone() });
        for policy in [one.id, two.id] {
            let expected = if to == Some(policy) { vec![shop.id] } else { vec![] };
            assert_eq!(members(&catalog, policy).await, expected, "{to:?}");
        }
    }
    let gone = catalog.change_policy(shop.id, Some(policy(9).id)).await.unwrap_err();
    assert_eq!(gone.code(), Code::PolicyNotFound);
    let nobody = catalog.change_policy(instance(9).id, None).await.unwrap_err();
    assert_eq!(nobody.code(), Code::InstanceNotFound);
    catalog.delete_policy(one.id).await.unwrap();
    catalog.delete_policy(two.id).await.unwrap();
}

#[tokio::test]
async fn using_a_policy_and_deleting_it_do_not_both_win() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 100).await;
    for n in 0..6 {
        let daily = policy(n);
        catalog.create_policy(&daily).await.unwrap();
        let (new, configure) = under(n, daily.id);
        let (used, deleted) = if n % 2 == 0 {
            tokio::join!(catalog.protect(&new, &configure), catalog.delete_policy(daily.id))
        } else {
            let change = async { catalog.change_policy(shop.id, Some(daily.id)).await.map(drop) };
            tokio::join!(change, catalog.delete_policy(daily.id))
        };
        assert!(used.is_ok() != deleted.is_ok(), "round {n}: {used:?} {deleted:?}");
        match deleted {
            Ok(()) => assert_eq!(used.unwrap_err().code(), Code::PolicyNotFound, "round {n}"),
            Err(error) => assert_eq!(error.code(), Code::PolicyInUse, "round {n}"),
        }
        catalog.change_policy(shop.id, None).await.unwrap();
    }
}

#[tokio::test]
async fn the_instances_under_a_policy_are_listed_in_pages() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let mut expected = Vec::new();
    for n in 1..=5 {
        let (shop, configure) = under(n, daily.id);
        catalog.protect(&shop, &configure).await.unwrap();
        expected.push(shop.id);
    }
    let (mut listed, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = catalog.policy_instances(daily.id, 2, next.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2);
        listed.extend(page.items);
        let Some(token) = page.next else { break };
        let elsewhere = catalog.policy_instances(policy(2).id, 2, Some(&token)).await.unwrap_err();
        assert_eq!(elsewhere.code(), Code::InvalidRequest);
        next = Some(token);
    }
    assert_eq!(listed, expected);
}
