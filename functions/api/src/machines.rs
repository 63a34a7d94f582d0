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
    rehydrate: String,
    change_policy: String,
    set_legal_hold: String,
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
            rehydrate: variable("REHYDRATE_STATE_MACHINE_ARN")?,
            change_policy: variable("CHANGE_POLICY_STATE_MACHINE_ARN")?,
            set_legal_hold: variable("SET_LEGAL_HOLD_STATE_MACHINE_ARN")?,
        })
    }

    /// The state machine whose executions carry `operation` out, one for each job; none where jobs of the kind are
    /// parts of another execution.
    pub(crate) fn of(&self, operation: Operation) -> Option<&str> {
        match operation {
            Operation::ConfigureProtection => Some(&self.configure_protection),
            Operation::Backup => Some(&self.backup),
            Operation::RestoreDatabase => Some(&self.restore),
            Operation::RestoreFiles => Some(&self.restore_files),
            Operation::Rehydrate => Some(&self.rehydrate),
            Operation::ChangePolicy => Some(&self.change_policy),
            Operation::Hold | Operation::Release => Some(&self.set_legal_hold),
            Operation::Tier | Operation::Expire | Operation::StopProtection => None,
        }
    }
}
