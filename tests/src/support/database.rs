//! A database of a test's own with its roles and their secrets, on the stack's server or on one of another version.
//!
//! The names are unique, so tests run side by side. Dropping the value removes everything, whether the test
//! passed or not; nothing else removes them.

use std::sync::Mutex;

use permafrost_engine::pg::{Connection, Row};
use permafrost_engine::sql::{ident, literal};

use super::jobs::{Login, Protection, Tls};
use super::{Aws, Server, unique};

/// The first version with the role `pg_read_all_data`.
const READ_ALL_DATA: u32 = 14;
/// The first version that drops a database in use when told to.
const DROP_WITH_FORCE: u32 = 13;

/// A role that can log in, and the secret that holds its login.
#[derive(Debug, Clone)]
pub struct Account {
    /// The role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The ARN of its secret, `{"username": …, "password": …}`.
    pub secret_arn: String,
}

/// A database with two accounts: one that may read it, one that owns it and may create others.
#[derive(Debug)]
pub struct Database {
    /// Its name; also the name of the instance that [`Database::protection`] proposes.
    pub name: String,
    /// The server it is on.
    pub server: Server,
    /// May read all data and nothing else. Before PostgreSQL 14: all tables and sequences that the owner or the
    /// superuser creates, and no large objects.
    pub backup: Account,
    /// Owns the database and may create others: what a restore needs, and no superuser.
    pub restore: Account,
    others: Mutex<Vec<Leftover>>,
}

/// What is removed with the database.
#[derive(Debug)]
enum Leftover {
    Database(String),
    Role(String),
    Secret(String),
}

impl Database {
    /// Creates an empty database on the stack's server, whose name begins with `label`.
    ///
    /// # Panics
    /// The server or the emulator refuses.
    pub async fn create(label: &str) -> Self {
        Self::create_on(Server::of_the_stack(), label).await
    }

    /// Creates an empty database on a server, whose name begins with `label`.
    ///
    /// # Panics
    /// The server or the emulator refuses.
    pub async fn create_on(server: Server, label: &str) -> Self {
        let name = format!("{label}-{}", unique());
        let mut session = server.connect("postgres").await;
        let backup = create_account(&mut session, &format!("{name}-backup"), "NOCREATEDB").await;
        let restore = create_account(&mut session, &format!("{name}-restore"), "CREATEDB").await;
        let database = Self { name, server, backup, restore, others: Mutex::default() };
        let (quoted, owner) = (ident(&database.name), ident(&database.restore.user));
        run_on(&mut session, &format!("CREATE DATABASE {quoted} OWNER {owner}")).await;
        session.close().await;
        database.let_read(&database.backup.user).await;
        database
    }

    /// Lets a role read all data, by the means of the server's version.
    async fn let_read(&self, role: &str) {
        let (reader, owner, superuser) = (ident(role), ident(&self.restore.user), ident(&self.server.user));
        if self.server.major >= READ_ALL_DATA {
            return self.run(&format!("GRANT pg_read_all_data TO {reader}")).await;
        }
        let default = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner}, {superuser} GRANT");
        self.run(&format!(
            "{default} USAGE ON SCHEMAS TO {reader}; \
             {default} SELECT ON TABLES TO {reader}; \
             {default} SELECT ON SEQUENCES TO {reader}"
        ))
        .await;
    }

    /// How the command line is told to protect it, straight and by secret.
    pub fn protection(&self) -> Protection {
        Protection {
            name: self.name.clone(),
            host: self.server.host.clone(),
            port: self.server.port,
            database: self.name.clone(),
            login: Login::Secret(self.backup.secret_arn.clone()),
            tls: Tls::Disable,
        }
    }

    /// A superuser's session.
    ///
    /// # Panics
    /// The server refuses it.
    pub async fn connect(&self) -> Connection {
        self.server.connect(&self.name).await
    }

    /// Runs a script as the superuser.
    ///
    /// # Panics
    /// A statement fails.
    pub async fn run(&self, script: &str) {
        let mut connection = self.connect().await;
        run_on(&mut connection, script).await;
        connection.close().await;
    }

    /// Runs a script in the name of the owner, who then owns what it creates.
    ///
    /// # Panics
    /// A statement fails.
    pub async fn run_as_owner(&self, script: &str) {
        let mut connection = self.connect().await;
        run_on(&mut connection, &format!("SET ROLE {}", ident(&self.restore.user))).await;
        run_on(&mut connection, script).await;
        connection.close().await;
    }

    /// The rows of a query, asked as the superuser.
    ///
    /// # Panics
    /// The query fails.
    pub async fn query(&self, query: &str) -> Vec<Row> {
        self.server.query_in(&self.name, query).await
    }

    /// A name for another database that goes with this one: the target of a restore.
    pub fn sibling(&self, label: &str) -> String {
        let name = format!("{}-{label}", self.name);
        self.remember(Leftover::Database(name.clone()));
        name
    }

    /// A role without login that goes with this database; both accounts' powers stay as they are.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn role(&self, label: &str) -> String {
        let role = format!("{}-{label}", self.name);
        let mut session = self.server.connect("postgres").await;
        run_on(&mut session, &format!("CREATE ROLE {}", ident(&role))).await;
        session.close().await;
        self.remember(Leftover::Role(role.clone()));
        role
    }

    /// Another secret that goes with this database; its name begins with `permafrost/test-`.
    ///
    /// # Panics
    /// The emulator refuses.
    pub async fn secret(&self, label: &str, value: &str) -> String {
        let arn = create_secret(&format!("permafrost/test-{}-{label}", self.name), value).await;
        self.remember(Leftover::Secret(arn.clone()));
        arn
    }

    fn remember(&self, leftover: Leftover) {
        self.others.lock().expect("nobody panics under this lock").push(leftover);
    }

    async fn remove(
        server: Server,
        databases: Vec<String>,
        roles: Vec<String>,
        secrets: Vec<String>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut session = Connection::connect(&server.superuser("postgres")).await?;
        for database in databases {
            let force = if server.major >= DROP_WITH_FORCE {
                " WITH (FORCE)"
            } else {
                let name = literal(&database);
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
                session.execute(&format!("{end} = {name}")).await?;
                ""
            };
            session.execute(&format!("DROP DATABASE IF EXISTS {}{force}", ident(&database))).await?;
        }
        for role in roles {
            session.execute(&format!("DROP ROLE IF EXISTS {}", ident(&role))).await?;
        }
        session.close().await;
        for secret in secrets {
            let delete = Aws::root().secrets().delete_secret().secret_id(secret);
            delete.force_delete_without_recovery(true).send().await?;
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut databases = vec![self.name.clone()];
        let mut roles = vec![self.backup.user.clone(), self.restore.user.clone()];
        let mut secrets = vec![self.backup.secret_arn.clone(), self.restore.secret_arn.clone()];
        for leftover in self.others.get_mut().expect("nobody panics under this lock").drain(..) {
            match leftover {
                Leftover::Database(name) => databases.push(name),
                Leftover::Role(name) => roles.push(name),
                Leftover::Secret(arn) => secrets.push(arn),
            }
        }
        let server = self.server.clone();
        // A runtime of its own: the test's is busy ending the test.
        let removed = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(Self::remove(server, databases, roles, secrets))
        })
        .join();
        if !std::thread::panicking() {
            removed.expect("the removal does not panic").expect("what the test made can be removed");
        }
    }
}

/// A superuser's session in a database of the stack's server.
///
/// # Panics
/// The server refuses it.
pub async fn connect(database: &str) -> Connection {
    Server::of_the_stack().connect(database).await
}

/// The rows of a query in any database of the stack's server, asked as the superuser.
///
/// # Panics
/// The query fails.
pub async fn query_in(database: &str, query: &str) -> Vec<Row> {
    Server::of_the_stack().query_in(database, query).await
}

/// Whether the stack's server has a database of this name.
///
/// # Panics
/// The server refuses.
pub async fn exists(database: &str) -> bool {
    Server::of_the_stack().has_database(database).await
}

async fn run_on(connection: &mut Connection, script: &str) {
    if let Err(error) = connection.execute(script).await {
        let shown: String = script.chars().take(200).collect();
        panic!("{error:?}, in the script that begins {shown:?}");
    }
}

async fn create_account(server: &mut Connection, user: &str, options: &str) -> Account {
    let password = format!("{}{}", unique(), unique());
    let create = format!(
        "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {options} PASSWORD {}",
        ident(user),
        literal(&password)
    );
    run_on(server, &create).await;
    let value = serde_json::json!({ "username": user, "password": password }).to_string();
    let secret_arn = create_secret(&format!("permafrost/test-{user}"), &value).await;
    Account { user: user.to_owned(), password, secret_arn }
}

async fn create_secret(name: &str, value: &str) -> String {
    let made = Aws::root().secrets().create_secret().name(name).secret_string(value).send().await;
    made.unwrap_or_else(|error| panic!("cannot create the secret {name}: {error:?}"))
        .arn
        .expect("a secret has an ARN")
}
