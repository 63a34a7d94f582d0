//! A catalog for tests and measurements: its table, and many records at once, with no conditions, jobs and claims. Behind
//! the feature `testing`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, PutRequest, ScalarAttributeType, WriteRequest,
};
use permafrost_domain::instance::Instance;
use permafrost_domain::recovery_point::RecoveryPoint;

use crate::Catalog;
use crate::error::CatalogError;
use crate::instance::POINTS;
use crate::record::{Item, encode, number};
use crate::write::{ATTEMPTS, pause};

/// What one request takes.
const BATCH: usize = 25;

/// A record to begin with.
#[derive(Debug, Clone)]
pub enum Seed {
    /// An instance, and how many points it is to count.
    Instance(Box<Instance>, u64),
    /// A point, with its place in the index of what is due.
    Point(Box<RecoveryPoint>),
}

impl Catalog {
    /// Makes `table` as the template of the vault makes it, and the catalog in it.
    ///
    /// # Errors
    /// What DynamoDB answers, for instance that there is such a table.
    pub async fn create(client: Client, table: &str) -> Result<Self, CatalogError> {
        let mut create = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        for name in ["pk", "sk", "gsi1pk", "gsi1sk"] {
            let text =
                AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            create = create.attribute_definitions(text.build().map_err(not_built("CreateTable"))?);
        }
        let index = GlobalSecondaryIndex::builder()
            .index_name("gsi1")
            .key_schema(key_part("gsi1pk", KeyType::Hash)?)
            .key_schema(key_part("gsi1sk", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        let create = create
            .key_schema(key_part("pk", KeyType::Hash)?)
            .key_schema(key_part("sk", KeyType::Range)?)
            .global_secondary_indexes(index.build().map_err(not_built("CreateTable"))?);
        create.send().await.map_err(|error| CatalogError::of_sdk("CreateTable", error))?;
        Ok(Self::new(client, table))
    }

    /// Writes `seeds` as they are, 25 in one request, in place of whatever is there.
    ///
    /// # Errors
    /// `Unavailable` where DynamoDB keeps leaving some of them aside.
    pub async fn seed(&self, seeds: impl IntoIterator<Item = Seed>) -> Result<(), CatalogError> {
        let mut batch = Vec::with_capacity(BATCH);
        for seed in seeds {
            batch.push(seed.item()?);
            if batch.len() == BATCH {
                self.put_all(std::mem::take(&mut batch)).await?;
            }
        }
        self.put_all(batch).await
    }

    async fn put_all(&self, items: Vec<Item>) -> Result<(), CatalogError> {
        let put = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(not_built("BatchWriteItem"))?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left: Vec<WriteRequest> = items.into_iter().map(put).collect::<Result<_, CatalogError>>()?;
        for attempt in 1..=ATTEMPTS {
            if left.is_empty() {
                return Ok(());
            }
            let output = self.client.batch_write_item().request_items(&self.table, left).send().await;
            let output = output.map_err(|error| CatalogError::of_sdk("BatchWriteItem", error))?;
            left =
                output.unprocessed_items.and_then(|mut items| items.remove(&self.table)).unwrap_or_default();
            if !left.is_empty() {
                pause(attempt).await;
            }
        }
        let reason = format!("{} items were left aside", left.len());
        Err(CatalogError::Unavailable {
            operation: "BatchWriteItem",
            reason: reason.clone(),
            source: reason.into(),
        })
    }
}

impl Seed {
    fn item(&self) -> Result<Item, CatalogError> {
        match self {
            Self::Instance(instance, points) => {
                let mut item = encode(&**instance)?;
                item.insert(POINTS.to_owned(), number(*points));
                Ok(item)
            }
            Self::Point(point) => encode(&**point),
        }
    }
}

fn key_part(name: &str, kind: KeyType) -> Result<KeySchemaElement, CatalogError> {
    let part = KeySchemaElement::builder().attribute_name(name).key_type(kind);
    part.build().map_err(not_built("CreateTable"))
}

fn not_built(operation: &'static str) -> impl FnOnce(BuildError) -> CatalogError {
    move |error| CatalogError::Rejected {
        operation,
        reason: "request not built".to_owned(),
        source: Box::new(error),
    }
}
