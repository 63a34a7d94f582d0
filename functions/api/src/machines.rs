//! Which state machine carries out which operation.

use permafrost_domain::Fault;
use permafrost_domain::job::Operation;
use permafrost_function::config::variable;

/// The ARNs of the state machines that carry jobs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachines {
    configure_protection: String,
    backup: String,
    restore: String,
    restore_files: String,
}

impl StateMachines {
    /// Reads the environment.
    ///
    /// # Errors
    /// `InvalidConfiguration` naming the variable that is missing.
    pub fn from_env() -> Result<Self, Fault> {
        Ok(Self {
            configure_protection: variable("CONFIGURE_PROTECTION_STATE_MACHINE_ARN")?,
            backup: variable("BACKUP_STATE_MACHINE_ARN")?,
            restore: variable("RESTORE_STATE_MACHINE_ARN")?,
            restore_files: variable("RESTORE_FILES_STATE_MACHINE_ARN")?,
        })
    }

    /// The state machine that carries `operation` out.
    pub(crate) fn of(&self, operation: Operation) -> &str {
        match operation {
            Operation::ConfigureProtection => &self.configure_protection,
            Operation::Backup => &self.backup,
            Operation::RestoreDatabase => &self.restore,
            Operation::RestoreFiles => &self.restore_files,
        }
    }
}
