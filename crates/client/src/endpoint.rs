//! The API's address: an `http` or `https` URL up to and including the stage.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

/// The API's address, for instance `https://abc123.execute-api.eu-central-1.amazonaws.com/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// A text that is no address of an API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no endpoint: {reason}")]
pub struct InvalidEndpoint {
    text: String,
    reason: String,
}

impl Endpoint {
    /// The address of the route with these path segments and query parameters.
    pub(crate) fn route(&self, segments: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
            // Form encoding writes a space as '+', which API Gateway and SigV4 read as a plus sign.
            let encoded = url.query().map(|query| query.replace('+', "%20"));
            url.set_query(encoded.as_deref());
        }
        url
    }

    /// The region in the host name of an API on AWS: `ID.execute-api.REGION.amazonaws.com`.
    pub fn region(&self) -> Option<&str> {
        let mut labels = self.0.host_str()?.split('.');
        let _id = labels.next()?;
        (labels.next()? == "execute-api").then(|| labels.next()).flatten()
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;
    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason: &str| InvalidEndpoint {
            text: text.chars().take(200).collect(),
            reason: reason.to_owned(),
        };
        let url: Url = text.trim().parse().map_err(|error| invalid(&format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("expected http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it must not hold a login; requests are signed with AWS credentials"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("expected nothing behind the stage"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(endpoint: &str, segments: &[&str], query: &[(&str, String)]) -> String {
        endpoint.parse::<Endpoint>().unwrap().route(segments, query).to_string()
    }

    #[test]
    fn a_route_stands_behind_the_stage() {
        let expected = "http://127.0.0.1:4566/_aws/execute-api/abc/v1/instances/shop";
        for endpoint in [
            "http://127.0.0.1:4566/_aws/execute-api/abc/v1",
            "http://127.0.0.1:4566/_aws/execute-api/abc/v1/",
        ] {
            assert_eq!(route(endpoint, &["instances", "shop"], &[]), expected);
        }
        assert_eq!(route("https://api.example", &["jobs"], &[]), "https://api.example/jobs");
    }

    #[test]
    fn a_query_is_encoded_as_sigv4_reads_it() {
        let query = [("next", "a b+c/d=".to_owned()), ("since", "2026-11-22T00:00:00Z".to_owned())];
        assert_eq!(
            route("https://api.example/v1", &["jobs"], &query),
            "https://api.example/v1/jobs?next=a%20b%2Bc%2Fd%3D&since=2026-11-22T00%3A00%3A00Z"
        );
    }

    #[test]
    fn the_region_is_read_from_an_address_on_aws() {
        let endpoint: Endpoint = "https://abc.execute-api.eu-central-1.amazonaws.com/v1/".parse().unwrap();
        assert_eq!(endpoint.region(), Some("eu-central-1"));
        assert_eq!(endpoint.to_string(), "https://abc.execute-api.eu-central-1.amazonaws.com/v1");
        let private: Endpoint = "https://backup.example/v1".parse().unwrap();
        assert_eq!(private.region(), None);
    }

    #[test]
    fn other_text_is_refused_with_the_reason() {
        for (text, reason) in [
            ("api.example/v1", "relative URL"),
            ("ftp://api.example", "expected http"),
            ("https://u:p@api.example", "must not hold a login"),
            ("https://api.example/v1?x=1", "nothing behind the stage"),
        ] {
            let message = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }
}
