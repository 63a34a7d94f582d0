//! Clients of the emulator. As root for arranging and looking; as a role or a person for what they may.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::Stack;
use super::stack::Keys;

/// Somebody who calls AWS.
///
/// Clients belong to the runtime that made them, so each test makes its own.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// The emulator's root, whom no policy binds.
    pub fn root() -> Self {
        Self::with_keys(&Stack::get().root)
    }

    /// The person or program with these keys.
    pub fn with_keys(keys: &Keys) -> Self {
        let (id, secret) = (keys.access_key_id.as_str(), keys.secret_access_key.as_str());
        Self::with(Credentials::new(id, secret, None, None, "permafrost-tests"))
    }

    /// A new session of a role.
    ///
    /// # Panics
    /// The role cannot be assumed.
    pub async fn role(arn: &str) -> Self {
        let session = format!("test-{}", super::unique());
        let assumed = Self::root()
            .sts()
            .assume_role()
            .role_arn(arn)
            .role_session_name(session)
            .send()
            .await
            .unwrap_or_else(|error| panic!("cannot assume {arn}: {error:?}"));
        let made = assumed.credentials.expect("an assumed role has credentials");
        let token = Some(made.session_token);
        Self::with(Credentials::new(
            made.access_key_id,
            made.secret_access_key,
            token,
            None,
            "permafrost-tests",
        ))
    }

    /// A new session of the role of a function, named as its output: `RunDumpTask`.
    ///
    /// # Panics
    /// There is no such function, or its role cannot be assumed.
    pub async fn function_role(function: &str) -> Self {
        Self::role(&Self::root().role_of_function(function).await).await
    }

    /// The ARN of a function's role, the function named as its output: `RunDumpTask`.
    ///
    /// # Panics
    /// There is no such function.
    pub async fn role_of_function(&self, function: &str) -> String {
        let name = Stack::get().output(&format!("{function}FunctionName"));
        let found = self.lambda().get_function_configuration().function_name(name).send().await;
        found
            .unwrap_or_else(|error| panic!("cannot read the function {name}: {error:?}"))
            .role
            .expect("a function has a role")
    }

    /// The credentials that these clients sign with.
    ///
    /// # Panics
    /// Never: they are fixed.
    pub fn credentials(&self) -> SharedCredentialsProvider {
        self.config.credentials_provider().expect("credentials were given")
    }

    /// Whoever has these credentials.
    pub fn with(credentials: Credentials) -> Self {
        let stack = Stack::get();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(stack.region.clone()))
            .endpoint_url(&stack.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Self { config }
    }

    /// S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        // Buckets stand in the path: the emulator's address is a number.
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// Secrets Manager.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config)
    }

    /// Step Functions.
    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.config)
    }

    /// EventBridge Scheduler.
    pub fn scheduler(&self) -> aws_sdk_scheduler::Client {
        aws_sdk_scheduler::Client::new(&self.config)
    }

    /// Lambda.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// IAM.
    pub fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config)
    }

    /// STS.
    pub fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config)
    }
}
