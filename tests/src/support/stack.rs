//! Where everything is: `.local/stack.json`, which `make up` writes.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;

const REMEDY: &str = "run `make up` first";

/// The running stack.
#[derive(Debug, Deserialize)]
pub struct Stack {
    /// The emulator's address.
    pub endpoint: String,
    /// The region of everything.
    pub region: String,
    /// The account of everything.
    pub account_id: String,
    /// The keys that bypass every policy: for arranging, never for what is tested.
    pub root: Keys,
    /// The vault's name.
    pub vault_name: String,
    /// The bucket of the backup store.
    pub backup_bucket: String,
    /// The bucket of the archive store.
    pub archive_bucket: String,
    /// The vault's key.
    pub key_arn: String,
    /// The catalog's table.
    pub table: String,
    /// The PostgreSQL server.
    pub postgres: Postgres,
    /// The emulator's log; functions write theirs there too.
    pub emulator_log: PathBuf,
    /// The id of the REST API.
    pub api_id: String,
    /// The API's URL with its stage.
    pub api_url: String,
    /// The folder of PostgreSQL clients that the functions use: `<major>/bin/pg_dump`.
    pub pg_clients_dir: PathBuf,
    /// The file with the keys of the person who may call the API.
    pub operator_file: PathBuf,
    /// The command `permafrost`.
    pub command_line: PathBuf,
    /// The outputs of the application's stack.
    pub outputs: BTreeMap<String, String>,
}

/// A pair of access keys.
#[derive(Clone, Deserialize)]
pub struct Keys {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// Says whose keys they are, and not the secret.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The PostgreSQL server of the stack.
#[derive(Debug, Deserialize)]
pub struct Postgres {
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its superuser.
    pub user: String,
    /// The file with the superuser's password.
    pub password_file: PathBuf,
    /// The superuser's login in the form of libpq's password file.
    pub passfile: PathBuf,
    /// The server's programs.
    pub bin_dir: PathBuf,
    /// The server's major version.
    pub major: u32,
}

impl Stack {
    /// The running stack: of the file that `PERMAFROST_STACK` names, else of this checkout.
    ///
    /// # Panics
    /// There is none, its application is not deployed, or it is not running.
    pub fn get() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| {
            let path = Self::file();
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}: {REMEDY}", path.display()));
            let stack: Self = serde_json::from_str(&text).unwrap_or_else(|error| {
                panic!("{} does not describe a deployed stack: {error}: {REMEDY}", path.display())
            });
            stack.require_running();
            stack
        })
    }

    /// The directory with everything the stack writes, `.local` of a checkout.
    pub fn directory() -> PathBuf {
        Self::file().parent().expect("the stack's file is in a directory").to_owned()
    }

    fn file() -> PathBuf {
        std::env::var_os("PERMAFROST_STACK")
            .map_or_else(|| workspace().join(".local/stack.json"), PathBuf::from)
    }

    /// An output of the application's stack.
    ///
    /// # Panics
    /// There is no such output.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output {name}"))
    }

    /// The superuser's password.
    pub fn superuser_password(&self) -> String {
        let file = &self.postgres.password_file;
        std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
            .trim()
            .to_owned()
    }

    fn require_running(&self) {
        let emulator = self.endpoint.trim_start_matches("http://");
        let postgres = format!("{}:{}", self.postgres.host, self.postgres.port);
        for (what, address) in [("emulator", emulator), ("PostgreSQL server", &postgres)] {
            let address: SocketAddr =
                address.parse().unwrap_or_else(|error| panic!("{address:?} is no address: {error}"));
            if let Err(error) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
                panic!("the stack's {what} does not answer at {address}: {error}: {REMEDY}");
            }
        }
    }
}

/// The checkout that this test was built from.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}
