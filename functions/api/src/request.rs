//! Requests as API Gateway hands them over, read with all suspicion: whatever is not understood is refused.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use jiff::Timestamp;
use permafrost_domain::ids::PlanId;
use permafrost_domain::instance::InstanceRef;
use permafrost_domain::policy::PolicyRef;
use permafrost_domain::wire::{MAX_PAGE, PointSelector, parse_request};
use permafrost_domain::{Code, Fault, JobId};
use serde::de::DeserializeOwned;

use crate::route::Route;

/// A request on a route, from a caller that API Gateway has authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The route.
    pub route: Route,
    /// Who asks: an ARN.
    pub caller: String,
    /// API Gateway's id of the request.
    pub id: String,
    /// When it arrived.
    pub now: Timestamp,
    /// Random bits for the ids that it makes.
    pub random: u128,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    body: String,
}

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageAsked {
    pub(crate) limit: u16,
    pub(crate) next: Option<String>,
}

impl Request {
    /// The request in an event that arrived at `now`.
    ///
    /// # Errors
    /// `RouteNotFound`; `AccessDenied` where API Gateway names no caller, which it does for every route with
    /// IAM authorisation; `InvalidRequest` for parameters that the route does not have, and a body that is no
    /// text.
    pub fn of_event(event: ApiGatewayProxyRequest, now: Timestamp, random: u128) -> Result<Self, Fault> {
        let method = event.http_method.as_str().to_owned();
        let resource = event.resource.unwrap_or_default();
        let route = Route::of(&method, &resource)
            .ok_or_else(|| Fault::new(Code::RouteNotFound, format!("there is no {method} {resource}")))?;
        let caller = event
            .request_context
            .identity
            .user_arn
            .filter(|arn| !arn.is_empty())
            .ok_or_else(|| Fault::new(Code::AccessDenied, "the caller is not known"))?;
        if event.is_base64_encoded {
            return Err(invalid("the body is not JSON").hint("Send it as application/json."));
        }
        let query: BTreeMap<String, String> = event
            .query_string_parameters
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if let Some(name) = query.keys().find(|name| !query_of(route).contains(&name.as_str())) {
            let known = query_of(route).join(", ");
            let hint =
                if known.is_empty() { "It takes none.".to_owned() } else { format!("It takes: {known}.") };
            let name: String = name.chars().take(80).collect();
            return Err(invalid(format!("the route has no query parameter {name:?}")).hint(hint));
        }
        Ok(Self {
            route,
            caller,
            id: event.request_context.request_id.unwrap_or_default(),
            now,
            random,
            path: event.path_parameters.into_iter().collect(),
            query,
            body: event.body.unwrap_or_default(),
        })
    }

    /// The body, without a password anywhere.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        parse_request(&self.body)
    }

    /// The instance in the path.
    pub(crate) fn instance(&self) -> Result<InstanceRef, Fault> {
        self.path("instance")?.parse().map_err(invalid)
    }

    /// The policy in the path.
    pub(crate) fn policy(&self) -> Result<PolicyRef, Fault> {
        self.path("policy")?.parse().map_err(invalid)
    }

    /// The job in the path.
    pub(crate) fn job(&self) -> Result<JobId, Fault> {
        self.path("job")?.parse().map_err(invalid)
    }

    /// The retention plan in the path.
    pub(crate) fn plan(&self) -> Result<PlanId, Fault> {
        self.path("plan")?.parse().map_err(invalid)
    }

    /// The point in the path.
    pub(crate) fn point(&self) -> Result<PointSelector, Fault> {
        self.path("point")?.parse().map_err(invalid)
    }

    /// A query parameter.
    pub(crate) fn query<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.query.get(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|error| invalid(format!("the query parameter {name} cannot be read: {error}")))
    }

    /// The page asked for: `limit` (the most that there is, unless said otherwise) and `next`.
    pub(crate) fn page(&self) -> Result<PageAsked, Fault> {
        let limit = self.query("limit")?.unwrap_or(MAX_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(invalid(format!("limit is {limit}: expected 1 to {MAX_PAGE}")));
        }
        Ok(PageAsked { limit, next: self.query.get("next").cloned() })
    }

    fn path(&self, name: &str) -> Result<&str, Fault> {
        self.path.get(name).map(String::as_str).ok_or_else(|| invalid(format!("the path has no {name}")))
    }
}

/// The query parameters that a route takes.
pub(crate) fn query_of(route: Route) -> &'static [&'static str] {
    match route {
        Route::ListInstances
        | Route::ListRecoveryPoints
        | Route::ListPolicies
        | Route::ListPolicyInstances
        | Route::ListRetentionPlans => &["limit", "next"],
        Route::EstimateRehydration => &["priority", "days"],
        Route::ListJobs => &["since", "instance", "status", "limit", "next"],
        _ => &[],
    }
}

fn invalid(message: impl std::fmt::Display) -> Fault {
    Fault::new(Code::InvalidRequest, message.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An event as API Gateway sends it, with `change` made to it.
    pub(crate) fn event(
        method: &str,
        resource: &str,
        change: impl FnOnce(&mut Value),
    ) -> ApiGatewayProxyRequest {
        let mut event = json!({
            "resource": resource, "path": resource, "httpMethod": method,
            "headers": null, "multiValueHeaders": null,
            "queryStringParameters": null, "multiValueQueryStringParameters": null,
            "pathParameters": null, "stageVariables": null, "body": null, "isBase64Encoded": false,
            "requestContext": {
                "requestId": "r-1", "identity": {"userArn": "arn:aws:iam::1:user/ann", "sourceIp": "127.0.0.1"},
                "httpMethod": method, "resourcePath": resource,
            },
        });
        change(&mut event);
        serde_json::from_value(event).unwrap()
    }

    pub(crate) fn request(
        method: &str,
        resource: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Request, Fault> {
        Request::of_event(event(method, resource, change), "2026-11-22T08:00:00Z".parse().unwrap(), 7)
    }

    #[test]
    fn a_request_bears_its_caller_and_its_parameters() {
        let request = request("GET", "/instances/{instance}/recovery-points", |event| {
            event["pathParameters"] = json!({"instance": "shop"});
            event["queryStringParameters"] = json!({"limit": "5", "next": "abc"});
        })
        .unwrap();
        assert_eq!(request.caller, "arn:aws:iam::1:user/ann");
        assert_eq!(request.instance(), Ok("shop".parse().unwrap()));
        assert_eq!(request.page(), Ok(PageAsked { limit: 5, next: Some("abc".into()) }));
    }

    #[test]
    fn without_a_caller_nothing_is_done() {
        for identity in [json!({}), json!({"userArn": null}), json!({"userArn": ""})] {
            let fault =
                request("GET", "/jobs", |event| event["requestContext"]["identity"] = identity).unwrap_err();
            assert_eq!(fault.code, Code::AccessDenied);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let fault = request("PUT", "/jobs", |_| {}).unwrap_err();
        assert_eq!(fault.code, Code::RouteNotFound);
        for query in [json!({"instance": "shop"}), json!({"Limit": "5"})] {
            let fault =
                request("GET", "/instances", |event| event["queryStringParameters"] = query).unwrap_err();
            assert_eq!(fault.code, Code::InvalidRequest);
            assert_eq!(fault.hint, "It takes: limit, next.");
        }
        for limit in ["0", "101", "-1", "many"] {
            let request = request("GET", "/instances", |event| {
                event["queryStringParameters"] = json!({"limit": limit});
            });
            assert_eq!(request.unwrap().page().unwrap_err().code, Code::InvalidRequest, "{limit}");
        }
    }

    #[test]
    fn an_id_of_another_kind_is_no_job() {
        let request = request("GET", "/jobs/{job}", |event| {
            event["pathParameters"] = json!({"job": "rp-01kb0000000000000000000000"});
        });
        assert_eq!(request.unwrap().job().unwrap_err().code, Code::InvalidRequest);
    }
}
