//! Roles of IAM, for tests of who can do what.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use permafrost_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::{Stores, client_of};

static ROLES: AtomicU32 = AtomicU32::new(0);

/// What a role is allowed and denied in the backup store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    pub(crate) allow: &'static str,
    pub(crate) deny: Option<&'static str>,
}

impl Role {
    /// Makes a role that may do this in the backup store of `stores`; S3 as a session of it has it.
    pub(crate) async fn s3(self, stores: &Stores) -> aws_sdk_s3::Client {
        let iam = aws_sdk_iam::Client::from_conf(
            aws_sdk_iam::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .endpoint_url(Emulator::shared().endpoint())
                .region(Region::new("us-east-1"))
                .credentials_provider(account())
                .build(),
        );
        let name = format!("role-{}", ROLES.fetch_add(1, Ordering::Relaxed));
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
            }],
        });
        let role = iam.create_role().role_name(&name).assume_role_policy_document(trust.to_string());
        let role = role.send().await.unwrap().role.unwrap();
        let policy = self.policy(stores.backup.bucket()).to_string();
        let put = iam.put_role_policy().role_name(&name).policy_name("stores").policy_document(policy);
        put.send().await.unwrap();
        client_of(session(&role.arn).await)
    }

    fn policy(self, bucket: &str) -> Value {
        let resources = [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")];
        let statement =
            |effect: &str, action: &str| json!({"Effect": effect, "Action": action, "Resource": resources});
        let allow = statement("Allow", self.allow);
        let statements: Vec<Value> =
            [Some(allow), self.deny.map(|action| statement("Deny", action))].into_iter().flatten().collect();
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}

async fn session(role_arn: &str) -> Credentials {
    let sts = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(Emulator::shared().endpoint())
            .region(Region::new("us-east-1"))
            .credentials_provider(account())
            .build(),
    );
    let assumed = sts.assume_role().role_arn(role_arn).role_session_name("tests").send().await.unwrap();
    let made = assumed.credentials.unwrap();
    Credentials::new(made.access_key_id, made.secret_access_key, Some(made.session_token), None, "tests")
}

fn account() -> Credentials {
    Credentials::new("test", "test", None, None, "tests")
}
