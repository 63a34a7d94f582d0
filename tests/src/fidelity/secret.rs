//! A server's superuser, as Permafrost is told to log in.

use super::Server;
use crate::support::{Aws, unique};

/// A secret with the login of a server's superuser, deleted with the value.
#[derive(Debug)]
pub struct Secret {
    /// Its ARN.
    pub arn: String,
}

impl Secret {
    /// Stores a server's login.
    ///
    /// # Panics
    /// The emulator refuses.
    pub async fn of(server: &Server) -> Self {
        let name = format!("permafrost/test-server-{}-{}", server.major, unique());
        let value =
            serde_json::json!({ "username": server.user, "password": server.password.expose() }).to_string();
        let made = Aws::root().secrets().create_secret().name(name).secret_string(value).send().await;
        Self { arn: made.expect("a secret can be made").arn.expect("a secret has an ARN") }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let arn = self.arn.clone();
        // A runtime of its own: the test's is busy ending the test.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let delete = Aws::root().secrets().delete_secret().secret_id(arn);
            runtime.block_on(delete.force_delete_without_recovery(true).send())?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })
        .join();
        if !std::thread::panicking() {
            removed.expect("the removal does not panic").expect("the secret can be deleted");
        }
    }
}
