//! The caller's credentials, asked for once and again shortly before they expire: a job is watched by hundreds
//! of requests, and a profile may have to ask SSO or STS each time.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

use crate::error::ClientError;

/// Credentials that expire sooner are renewed first; more than any retry of one request takes.
const MARGIN: Duration = Duration::from_mins(2);

/// A provider's credentials, kept while they are valid.
#[derive(Debug)]
pub(crate) struct CachedCredentials {
    provider: SharedCredentialsProvider,
    current: Mutex<Option<Credentials>>,
}

impl CachedCredentials {
    pub(crate) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, current: Mutex::new(None) }
    }

    /// Credentials that are valid for some time after `now`.
    pub(crate) async fn at(&self, now: SystemTime) -> Result<Credentials, ClientError> {
        let mut current = self.current.lock().await;
        if let Some(credentials) = current.as_ref().filter(|kept| outlives(kept, now + MARGIN)) {
            return Ok(credentials.clone());
        }
        let fresh = self.provider.provide_credentials().await.map_err(ClientError::NoCredentials)?;
        *current = Some(fresh.clone());
        Ok(fresh)
    }
}

fn outlives(credentials: &Credentials, moment: SystemTime) -> bool {
    credentials.expiry().is_none_or(|expiry| expiry > moment)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    /// Hands out numbered credentials that last ten minutes.
    #[derive(Debug, Default)]
    struct Numbered(AtomicUsize);

    impl ProvideCredentials for Numbered {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(600 * (n as u64 + 1));
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("A{n}"),
                "s",
                None,
                Some(expiry),
                "t",
            )))
        }
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_they_expire() {
        let cached = CachedCredentials::new(SharedCredentialsProvider::new(Numbered::default()));
        for (second, expected) in
            [(0, "A0"), (479, "A0"), (480, "A1"), (600, "A1"), (1_079, "A1"), (1_081, "A2")]
        {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let credentials = cached.at(now).await.unwrap();
            assert_eq!(credentials.access_key_id(), expected, "at {second} s");
        }
    }
}
