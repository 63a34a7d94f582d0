//! Instances: their claims, how they are found and listed, and what a damaged record does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use permafrost_catalog::CatalogError;
use permafrost_domain::instance::{Instance, InstanceRef};
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault, InstanceId, JobId};
use support::emulator::table;
use support::samples::{at, instance, job, protected, running_backup};

fn configure(instance: &Instance) -> Job {
    job(Operation::ConfigureProtection, instance, 0)
}

#[tokio::test]
async fn an_instance_is_found_by_id_and_by_name_with_its_running_backup() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    assert_eq!(catalog.instance(shop.id).await.unwrap(), shop);
    assert_eq!(catalog.resolve(&InstanceRef::Name(shop.name.clone())).await.unwrap(), shop);
    let backup = running_backup(&catalog, &shop, 10).await;
    let found = catalog.resolve(&InstanceRef::Id(shop.id)).await.unwrap();
    assert_eq!(found, Instance { running_backup: Some(backup.id), ..shop });

    let nobody = InstanceId::new(at(0), 99);
    let error = catalog.instance(nobody).await.unwrap_err();
    assert!(matches!(&error, CatalogError::InstanceNotFound(id) if *id == nobody.to_string()), "{error:?}");
    let error = catalog.resolve(&"nobody".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::InstanceNotFound);
}

#[tokio::test]
async fn a_name_and_a_database_belong_to_one_instance() {
    let catalog = table().await.catalog;
    let shop = instance(1);
    catalog.protect(&shop, &configure(&shop)).await.unwrap();
    catalog.protect(&shop, &configure(&shop)).await.expect("a repetition meets itself");

    let other_job = |of: &Instance| Job { id: JobId::new(at(0), 8), ..configure(of) };
    let same_database = Instance { data_source: shop.data_source.clone(), ..instance(2) };
    let error = catalog.protect(&same_database, &other_job(&same_database)).await.unwrap_err();
    let fault = Fault::from(error);
    assert_eq!(fault.code, Code::DatabaseAlreadyProtected);
    assert_eq!(fault.object, Some(format!("instance {}", shop.id)));

    let same_name = Instance { name: shop.name.clone(), ..instance(2) };
    let error = catalog.protect(&same_name, &other_job(&same_name)).await.unwrap_err();
    assert_eq!(error.code(), Code::InstanceNameAlreadyInUse);
    // Refused as a whole: neither the instance nor its job nor a claim is there.
    assert_eq!(catalog.instance(same_name.id).await.unwrap_err().code(), Code::InstanceNotFound);
    assert_eq!(catalog.job(other_job(&same_name).id).await.unwrap_err().code(), Code::JobNotFound);
    let free = instance(2);
    catalog.protect(&free, &other_job(&free)).await.expect("its database was not claimed by the refusals");

    // The same instance again with another job is not a repetition.
    let error =
        catalog.protect(&shop, &Job { id: JobId::new(at(0), 9), ..configure(&shop) }).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict);
}

#[tokio::test]
async fn two_that_protect_the_same_database_at_once_do_not_both_win() {
    let catalog = table().await.catalog;
    let (one, two) = (instance(1), Instance { data_source: instance(1).data_source, ..instance(2) });
    let (job_one, job_two) = (configure(&one), Job { id: JobId::new(at(0), 8), ..configure(&two) });
    let (first, second) = tokio::join!(catalog.protect(&one, &job_one), catalog.protect(&two, &job_two));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let error = first.err().or(second.err()).unwrap();
    assert_eq!(error.code(), Code::DatabaseAlreadyProtected);
}

#[tokio::test]
async fn instances_are_listed_by_name_in_pages() {
    let catalog = table().await.catalog;
    for n in [5, 3, 1, 4, 2] {
        let shop = instance(n);
        let configure = Job { id: JobId::new(at(0), u128::from(n)), ..configure(&shop) };
        catalog.protect(&shop, &configure).await.unwrap();
    }
    let (mut names, mut next, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = catalog.list_instances(2, next.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2);
        names.extend(page.items.into_iter().map(|instance| instance.name.to_string()));
        pages += 1;
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(names, ["shop-001", "shop-002", "shop-003", "shop-004", "shop-005"]);
    assert_eq!(pages, 3);
    assert_eq!(catalog.list_instances(100, None).await.unwrap().next, None);

    let points_token = {
        // A token of another list leads nowhere.
        let jobs = permafrost_catalog::JobFilter { since: at(-86_400), instance: None, status: None };
        catalog.list_jobs(&jobs, at(0), 1, None).await.unwrap().next.unwrap()
    };
    for token in [points_token.as_str(), "", "x", "bm9uc2Vuc2U"] {
        let error = catalog.list_instances(2, Some(token)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest, "{token}");
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_is_an_error_and_is_named() {
    let table = table().await;
    let (good, bad) = (instance(1), instance(2));
    for (n, shop) in [(1, &good), (2, &bad)] {
        let configure = Job { id: JobId::new(at(0), n), ..configure(shop) };
        table.catalog.protect(shop, &configure).await.unwrap();
    }
    let cases = [
        ("status", Some(AttributeValue::S("Guarded".into()))),
        ("data_source", None),
        // Another instance's record in this one's place.
        ("id", Some(AttributeValue::S(good.id.to_string()))),
    ];
    for (attribute, value) in cases {
        let key = [("pk", format!("INSTANCE#{}", bad.id)), ("sk", "INSTANCE".to_owned())];
        let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let item =
            table.client.get_item().table_name(&table.name).set_key(Some(key.into())).send().await.unwrap();
        let whole = item.item.unwrap();
        let mut damaged = whole.clone();
        match value {
            Some(value) => damaged.insert(attribute.to_owned(), value),
            None => damaged.remove(attribute),
        };
        table.client.put_item().table_name(&table.name).set_item(Some(damaged)).send().await.unwrap();
        let fault = Fault::from(table.catalog.instance(bad.id).await.unwrap_err());
        assert_eq!(fault.code, Code::CatalogRecordInvalid, "{attribute}");
        assert!(fault.object.unwrap().contains(&bad.id.to_string()), "{attribute}");
        let listed = table.catalog.list_instances(10, None).await.unwrap_err();
        assert_eq!(listed.code(), Code::CatalogRecordInvalid, "{attribute}");
        table.client.put_item().table_name(&table.name).set_item(Some(whole)).send().await.unwrap();
    }
    let names: BTreeSet<_> =
        table.catalog.list_instances(10, None).await.unwrap().items.into_iter().map(|i| i.name).collect();
    assert_eq!(names, BTreeSet::from([good.name, bad.name]));
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_configuration_error_and_no_answer_is_retryable() {
    let table = table().await;
    let elsewhere = permafrost_catalog::Catalog::new(table.client.clone(), "no-such-table");
    let error = elsewhere.instance(instance(1).id).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidConfiguration, "{error:?}");
    let shop = instance(1);
    let error = elsewhere.protect(&shop, &configure(&shop)).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidConfiguration, "{error:?}");

    let config = table.client.config().to_builder().endpoint_url("http://127.0.0.1:1").build();
    let silent = aws_sdk_dynamodb::Client::from_conf(config);
    let error = permafrost_catalog::Catalog::new(silent, &table.name).instance(shop.id).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogUnavailable, "{error:?}");
}
