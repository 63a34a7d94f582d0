//! The routes: a method and a path as API Gateway knows it. The router, the OpenAPI document and the stack's
//! template name the same ones, which tests hold together.

/// A route of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Puts a database under protection.
    ProtectInstance,
    /// Lists the instances.
    ListInstances,
    /// Shows an instance.
    ShowInstance,
    /// Starts a backup.
    BackUpNow,
    /// Lists an instance's recovery points.
    ListRecoveryPoints,
    /// Shows a recovery point with what is in it.
    ShowRecoveryPoint,
    /// Starts a restore.
    Restore,
    /// Starts a restore as files.
    RestoreFiles,
    /// Makes a policy.
    CreatePolicy,
    /// Lists the policies.
    ListPolicies,
    /// Shows a policy.
    ShowPolicy,
    /// Lists the instances under a policy.
    ListPolicyInstances,
    /// Changes a policy.
    ReplacePolicy,
    /// Deletes a policy.
    DeletePolicy,
    /// Puts an instance under a policy.
    ChangePolicy,
    /// Suspends the scheduled backups of an instance.
    SuspendBackups,
    /// Resumes the protection of an instance.
    ResumeProtection,
    /// Stops the protection of an instance.
    StopProtection,
    /// Stops the protection of an instance and deletes its points.
    DeleteData,
    /// Takes a deletion back.
    UndeleteData,
    /// Puts a point under legal hold, or takes it out.
    SetLegalHold,
    /// Estimates a rehydration.
    EstimateRehydration,
    /// Rehydrates a point.
    Rehydrate,
    /// Lists the retention plans.
    ListRetentionPlans,
    /// Shows a retention plan.
    ShowRetentionPlan,
    /// Lists jobs.
    ListJobs,
    /// Shows a job.
    ShowJob,
    /// Asks a job to end.
    CancelJob,
    /// Lets a backup copy nothing for a while.
    SuspendJob,
    /// Lets it go on.
    ResumeJob,
}

impl Route {
    /// Every route.
    pub const ALL: [Route; 30] = [
        Self::ProtectInstance,
        Self::ListInstances,
        Self::ShowInstance,
        Self::BackUpNow,
        Self::ListRecoveryPoints,
        Self::ShowRecoveryPoint,
        Self::Restore,
        Self::RestoreFiles,
        Self::CreatePolicy,
        Self::ListPolicies,
        Self::ShowPolicy,
        Self::ListPolicyInstances,
        Self::ReplacePolicy,
        Self::DeletePolicy,
        Self::ChangePolicy,
        Self::SuspendBackups,
        Self::ResumeProtection,
        Self::StopProtection,
        Self::DeleteData,
        Self::UndeleteData,
        Self::SetLegalHold,
        Self::EstimateRehydration,
        Self::Rehydrate,
        Self::ListRetentionPlans,
        Self::ShowRetentionPlan,
        Self::ListJobs,
        Self::ShowJob,
        Self::CancelJob,
        Self::SuspendJob,
        Self::ResumeJob,
    ];

    /// The method and the path with its parameters in braces.
    pub fn method_and_resource(self) -> (&'static str, &'static str) {
        match self {
            Self::ProtectInstance => ("POST", "/instances"),
            Self::ListInstances => ("GET", "/instances"),
            Self::ShowInstance => ("GET", "/instances/{instance}"),
            Self::BackUpNow => ("POST", "/instances/{instance}/backups"),
            Self::ListRecoveryPoints => ("GET", "/instances/{instance}/recovery-points"),
            Self::ShowRecoveryPoint => ("GET", "/instances/{instance}/recovery-points/{point}"),
            Self::Restore => ("POST", "/instances/{instance}/restores"),
            Self::RestoreFiles => ("POST", "/instances/{instance}/file-restores"),
            Self::CreatePolicy => ("POST", "/policies"),
            Self::ListPolicies => ("GET", "/policies"),
            Self::ShowPolicy => ("GET", "/policies/{policy}"),
            Self::ListPolicyInstances => ("GET", "/policies/{policy}/instances"),
            Self::ReplacePolicy => ("PUT", "/policies/{policy}"),
            Self::DeletePolicy => ("DELETE", "/policies/{policy}"),
            Self::ChangePolicy => ("POST", "/instances/{instance}/policy"),
            Self::SuspendBackups => ("POST", "/instances/{instance}/suspend"),
            Self::ResumeProtection => ("POST", "/instances/{instance}/resume"),
            Self::StopProtection => ("POST", "/instances/{instance}/stop-protection"),
            Self::DeleteData => ("POST", "/instances/{instance}/delete-data"),
            Self::UndeleteData => ("POST", "/instances/{instance}/undelete"),
            Self::SetLegalHold => ("POST", "/instances/{instance}/recovery-points/{point}/legal-hold"),
            Self::EstimateRehydration => ("GET", "/instances/{instance}/recovery-points/{point}/rehydration"),
            Self::Rehydrate => ("POST", "/instances/{instance}/recovery-points/{point}/rehydrate"),
            Self::ListRetentionPlans => ("GET", "/retention-plans"),
            Self::ShowRetentionPlan => ("GET", "/retention-plans/{plan}"),
            Self::ListJobs => ("GET", "/jobs"),
            Self::ShowJob => ("GET", "/jobs/{job}"),
            Self::CancelJob => ("POST", "/jobs/{job}/cancel"),
            Self::SuspendJob => ("POST", "/jobs/{job}/suspend"),
            Self::ResumeJob => ("POST", "/jobs/{job}/resume"),
        }
    }

    /// The route of a method and a resource.
    pub fn of(method: &str, resource: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.method_and_resource() == (method, resource))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_and_no_other() {
        for route in Route::ALL {
            let (method, resource) = route.method_and_resource();
            assert_eq!(Route::of(method, resource), Some(route));
        }
        assert_eq!(Route::of("DELETE", "/instances/{instance}"), None);
        assert_eq!(Route::of("GET", "/instances/shop"), None);
    }

    #[test]
    fn the_template_deploys_these_routes_and_no_other() {
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../iac/template.yaml");
        let template = std::fs::read_to_string(template).unwrap();
        let mut deployed: Vec<(String, String)> = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Properties: {RestApiId: !Ref Api, Method: "))
            .map(|rest| {
                let (method, path) = rest.trim_end_matches('}').split_once(", Path: ").unwrap();
                // A path that ends with a parameter ends with a brace of its own, inside its quotes.
                (method.to_owned(), path.trim_matches('\'').to_owned())
            })
            .collect();
        let mut known: Vec<(String, String)> = Route::ALL
            .into_iter()
            .map(Route::method_and_resource)
            .map(|(method, resource)| (method.to_owned(), resource.to_owned()))
            .collect();
        deployed.sort();
        known.sort();
        assert_eq!(deployed, known);
    }
}
