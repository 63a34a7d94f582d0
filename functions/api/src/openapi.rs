//! The OpenAPI document, made from the types and from what each route says of itself. `docs/openapi.json` is its
//! text; a test holds them together.

use std::collections::BTreeMap;

use permafrost_domain::wire::{ErrorBody, Page};
use permafrost_domain::{Code, job};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::request::query_of;
use crate::route::Route;
use crate::routes;

/// Every route may end with these.
const ALWAYS: [Code; 6] = [
    Code::InvalidRequest,
    Code::AccessDenied,
    Code::CatalogUnavailable,
    Code::CatalogRecordInvalid,
    Code::FunctionFailed,
    Code::InvalidConfiguration,
];

/// What a route says of itself.
#[derive(Debug)]
pub(crate) struct Description {
    summary: &'static str,
    text: &'static str,
    body: Option<Described>,
    answer: Option<(u16, &'static str, Described)>,
    faults: Vec<Code>,
}

/// A type as the document refers to it, with the types that it is made of.
#[derive(Debug)]
struct Described {
    schema: Value,
    components: Vec<(String, Value)>,
}

impl Description {
    /// A route in a word and in a sentence or two.
    pub(crate) fn new(summary: &'static str, text: &'static str) -> Self {
        Self { summary, text, body: None, answer: None, faults: Vec::new() }
    }

    /// The same, taking a body.
    pub(crate) fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(Described::of::<T>());
        self
    }

    /// The same, with its answer.
    pub(crate) fn answer<T: ToSchema>(mut self, status: u16, text: &'static str) -> Self {
        self.answer = Some((status, text, Described::of::<T>()));
        self
    }

    /// The same, answering with a page of a list. A page has a schema for each kind of item.
    pub(crate) fn page_of<T: ToSchema>(mut self, text: &'static str) -> Self {
        let mut described = Described::of::<Page<T>>();
        if let Some((name, _)) = described.components.last_mut() {
            *name = format!("{}Page", T::name());
            described.schema = reference(name);
        }
        // A page does not bring the schema of its items along.
        described.components.extend(Described::of::<T>().components);
        self.answer = Some((200, text, described));
        self
    }

    /// The same, with the faults that it may end with beside those of every route.
    pub(crate) fn faults(mut self, faults: &[Code]) -> Self {
        self.faults = faults.to_vec();
        self
    }
}

impl Described {
    fn of<T: ToSchema>() -> Self {
        let mut components = Vec::new();
        T::schemas(&mut components);
        let mut components: Vec<(String, Value)> =
            components.into_iter().map(|(name, schema)| (name, of_schema(&schema))).collect();
        let name = T::name().into_owned();
        let schema = reference(&name);
        components.push((name, of_schema(&T::schema())));
        Self { schema, components }
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn of_schema(schema: &RefOr<Schema>) -> Value {
    // A schema is strings, numbers and maps with strings for keys: it always serialises.
    serde_json::to_value(schema).unwrap_or_default()
}

/// The document.
pub fn document() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas: BTreeMap<String, Value> = Described::of::<ErrorBody>().components.into_iter().collect();
    for route in Route::ALL {
        let description = describe(route);
        let (method, resource) = route.method_and_resource();
        let operation = operation(route, &description);
        paths.entry(resource).or_default().insert(method.to_ascii_lowercase(), operation);
        let answer = description.answer.into_iter().map(|(_, _, described)| described);
        schemas.extend(description.body.into_iter().chain(answer).flat_map(|described| described.components));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Permafrost",
            "description": "Long-term backups of PostgreSQL databases on AWS. Requests are signed with AWS \
                Signature Version 4 for the service execute-api. What goes wrong is answered as an ErrorBody; \
                API Gateway itself answers {\"message\"} where it refuses a caller (403) or is asked too often \
                (429).",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{
            "url": "https://{api}.execute-api.{region}.amazonaws.com/v1",
            "description": "The output ApiUrl of the stack.",
            "variables": {"api": {"default": "api-id"}, "region": {"default": "eu-central-1"}},
        }],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey", "name": "Authorization", "in": "header",
                    "description": "AWS Signature Version 4, service execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
            },
        },
    })
}

fn describe(route: Route) -> Description {
    match route {
        Route::ProtectInstance => routes::protect_instance::describe(),
        Route::ListInstances => routes::list_instances::describe(),
        Route::ShowInstance => routes::show_instance::describe(),
        Route::BackUpNow => routes::back_up_now::describe(),
        Route::ListRecoveryPoints => routes::list_recovery_points::describe(),
        Route::ShowRecoveryPoint => routes::show_recovery_point::describe(),
        Route::Restore => routes::restore::describe(),
        Route::RestoreFiles => routes::restore_files::describe(),
        Route::CreatePolicy => routes::create_policy::describe(),
        Route::ListPolicies => routes::list_policies::describe(),
        Route::ShowPolicy => routes::show_policy::describe(),
        Route::ListPolicyInstances => routes::list_policy_instances::describe(),
        Route::ReplacePolicy => routes::replace_policy::describe(),
        Route::DeletePolicy => routes::delete_policy::describe(),
        Route::ChangePolicy => routes::change_policy::describe(),
        Route::SuspendBackups => routes::suspend_backups::describe(),
        Route::ResumeProtection => routes::resume_protection::describe(),
        Route::StopProtection => routes::stop_protection::describe(),
        Route::DeleteData => routes::delete_data::describe(),
        Route::UndeleteData => routes::undelete_data::describe(),
        Route::SetLegalHold => routes::set_legal_hold::describe(),
        Route::EstimateRehydration => routes::estimate_rehydration::describe(),
        Route::Rehydrate => routes::rehydrate::describe(),
        Route::ListRetentionPlans => routes::list_retention_plans::describe(),
        Route::ShowRetentionPlan => routes::show_retention_plan::describe(),
        Route::ListJobs => routes::list_jobs::describe(),
        Route::ShowJob => routes::show_job::describe(),
        Route::CancelJob => routes::cancel_job::describe(),
        Route::SuspendJob => routes::suspend_job::describe(),
        Route::ResumeJob => routes::resume_job::describe(),
    }
}

fn operation(route: Route, description: &Description) -> Value {
    let mut operation = json!({
        "operationId": format!("{route:?}"),
        "summary": description.summary,
        "description": description.text,
        "parameters": parameters(route),
        "responses": responses(description),
    });
    if let Some(body) = &description.body {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": body.schema}}});
    }
    operation
}

fn parameters(route: Route) -> Vec<Value> {
    let (_, resource) = route.method_and_resource();
    let in_path = resource.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = in_path.map(|name| parameter(name, "path", true));
    path.chain(query_of(route).iter().map(|name| parameter(name, "query", false))).collect()
}

fn parameter(name: &str, place: &str, required: bool) -> Value {
    let text = json!({"type": "string"});
    let (schema, description) = match name {
        "instance" => (text, "The instance's id or name."),
        "point" => {
            (of_schema(&permafrost_domain::wire::PointSelector::schema()), "The point's id, or `latest`.")
        }
        "job" => (of_schema(&permafrost_domain::JobId::schema()), "The job's id."),
        "since" => {
            (json!({"type": "string", "format": "date-time"}), "Only jobs asked for at this moment or later.")
        }
        "status" => {
            let words = job::JobStatus::ALL.map(job::JobStatus::as_str);
            (json!({"type": "string", "enum": words}), "Only jobs of this status.")
        }
        "limit" => {
            let most = permafrost_domain::wire::MAX_PAGE;
            (
                json!({"type": "integer", "minimum": 1, "maximum": most, "default": most}),
                "The most items of a page.",
            )
        }
        _ => (text, "The `next` of the page before."),
    };
    json!({"name": name, "in": place, "required": required, "schema": schema, "description": description})
}

/// The success, and for every status of a fault the codes behind it.
fn responses(description: &Description) -> Map<String, Value> {
    let mut codes: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in ALWAYS.into_iter().chain(description.faults.iter().copied()) {
        codes.entry(code.category().http_status()).or_default().push(code);
    }
    let mut responses = Map::new();
    if let Some((status, text, answer)) = &description.answer {
        responses.insert(status.to_string(), response(text, &answer.schema));
    }
    let error = reference("ErrorBody");
    for (status, codes) in codes {
        let lines: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}", code.summary())).collect();
        responses.insert(status.to_string(), response(&lines.join("; "), &error));
    }
    responses
}

fn response(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in `value`.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        Value::String(target) if key == "$ref" => found.push(target.clone()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == text,
            "docs/openapi.json is not what the code says; run: UPDATE_DOCS=1 cargo test -p api openapi"
        );
    }

    #[test]
    fn the_routes_of_the_document_are_those_of_the_router() {
        let document = document();
        let mut described: Vec<(String, String)> = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                described.push((method.to_ascii_uppercase(), path.clone()));
            }
        }
        assert_eq!(described.len(), Route::ALL.len());
        for (method, path) in described {
            assert!(Route::of(&method, &path).is_some(), "{method} {path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn no_two_types_share_a_name() {
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        for route in Route::ALL {
            let description = describe(route);
            let answer = description.answer.into_iter().map(|(_, _, described)| described);
            for (name, schema) in description.body.into_iter().chain(answer).flat_map(|it| it.components) {
                let first = seen.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*first, schema, "{name}");
            }
        }
        assert!(seen.contains_key("JobPage") && seen.contains_key("InstancePage"), "{:?}", seen.keys());
    }

    #[test]
    fn every_status_of_a_fault_is_an_error_body() {
        for route in Route::ALL {
            let description = describe(route);
            let (status, ..) = description.answer.as_ref().unwrap();
            let responses = responses(&description);
            for code in &description.faults {
                let response = &responses[&code.category().http_status().to_string()];
                assert!(
                    response["description"].as_str().unwrap().contains(code.as_str()),
                    "{route:?} {code}"
                );
            }
            for (key, response) in &responses {
                let reference = response["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
                assert_eq!(reference.ends_with("/ErrorBody"), *key != status.to_string(), "{route:?} {key}");
            }
        }
    }
}
