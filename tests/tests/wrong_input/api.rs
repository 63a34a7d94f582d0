//! Requests to the API that the command line would never send.

use permafrost_tests::signed::{self, Answer};
use permafrost_tests::support::Stack;
use permafrost_tests::support::stack::Keys;

/// Posts `body` to a path of the API, signed by the person who may call it.
pub(crate) async fn post(path: &str, body: &str) -> Answer {
    let stack = Stack::get();
    let keys = std::fs::read(&stack.operator_file).expect("the operator's keys can be read");
    let keys: Keys = serde_json::from_slice(&keys).expect("the file holds keys");
    let headers = [("content-type", "application/json")];
    signed::post(&keys, "execute-api", &format!("{}{path}", stack.api_url), &headers, body).await
}
