//! Faults: what went wrong, in the form that reaches the job, the API and the command line unchanged.
//!
//! A [`Code`] is one word everywhere: Lambda's `errorType`, the `ErrorEquals` of a state machine, the API's
//! body, the anchor in `docs/errors.md`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::fault::registry::{Category, Code, Retry};

mod registry;

/// A failure with its code, the object concerned and what to do about it.
///
/// The message is in lower case, without a full stop, and never holds a credential. The hint is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// The object concerned, for instance `table app.ledger` or `secret arn:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What to do about it.
    pub hint: String,
}

impl Fault {
    /// A fault with the code's own remedy as its hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), object: None, hint: code.remedy().to_owned() }
    }

    /// The same fault, naming the object concerned.
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// The same fault with a more precise remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The fault as a function reports it in `errorMessage`: the message, then `OBJECT:` and `HINT:` lines.
    pub fn to_error_message(&self) -> String {
        self.to_string()
    }

    /// The fault behind an error's name and cause as Step Functions hands them on.
    ///
    /// `cause` is Lambda's JSON (`{"errorType", "errorMessage", …}`) or plain text. A name that is not in the
    /// registry (a function that was killed, a service error) becomes [`Code::FunctionFailed`] and keeps the
    /// name in its message.
    pub fn from_execution_error(error: &str, cause: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LambdaCause {
            error_type: Option<String>,
            error_message: Option<String>,
        }
        let lambda = serde_json::from_str::<LambdaCause>(cause).ok();
        let (name, text) = match &lambda {
            Some(LambdaCause { error_type, error_message: Some(message) }) => {
                (error_type.as_deref().unwrap_or(error), message.as_str())
            }
            _ => (error, cause),
        };
        if let Ok(code) = name.parse::<Code>().or_else(|_| error.parse::<Code>()) {
            return Self::parse_error_message(code, text);
        }
        let text: String = text.chars().take(1_000).collect();
        let detail = if text.is_empty() { String::new() } else { format!(": {text}") };
        Self::new(Code::FunctionFailed, format!("the execution ended with {error}{detail}"))
    }

    /// Reads back what [`Fault::to_error_message`] wrote.
    fn parse_error_message(code: Code, text: &str) -> Self {
        let (rest, hint) = text.rsplit_once("\nHINT: ").unwrap_or((text, code.remedy()));
        let (message, object) = match rest.rsplit_once("\nOBJECT: ") {
            Some((message, object)) => (message, Some(object.to_owned())),
            None => (rest, None),
        };
        Self { code, message: message.to_owned(), object, hint: hint.to_owned() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(object) = &self.object {
            write!(f, "\nOBJECT: {object}")?;
        }
        write!(f, "\nHINT: {}", self.hint)
    }
}

impl std::error::Error for Fault {}

/// The message of an error and of its sources, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A word that is no code of the registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an error code of Permafrost")]
pub struct UnknownCode(String);

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownCode(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_are_unique_upper_camel_case_with_a_remedy() {
        for (index, code) in Code::ALL.iter().enumerate() {
            let word = code.as_str();
            assert!(word.chars().next().is_some_and(char::is_uppercase), "{word}");
            assert!(word.chars().all(char::is_alphanumeric), "{word}");
            assert!(code.remedy().ends_with('.'), "{word}: the remedy is a sentence");
            assert!(!code.summary().ends_with('.'), "{word}: the summary has no full stop");
            assert_eq!(word.parse::<Code>(), Ok(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), word);
            assert!(Code::ALL[index + 1..].iter().all(|other| other.as_str() != word), "{word} twice");
        }
    }

    #[test]
    fn an_error_outside_the_registry_keeps_its_name() {
        let fault = Fault::from_execution_error("Runtime.ExitError", "exit status 1");
        assert_eq!(fault.code, Code::FunctionFailed);
        assert!(fault.message.contains("Runtime.ExitError") && fault.message.contains("exit status 1"));
    }

    proptest! {
        #[test]
        fn a_fault_survives_the_way_through_lambda_and_step_functions(
            index in 0..Code::ALL.len(), message in "[a-z \"é\n]{1,60}", object in proptest::option::of("[a-z\\. ]{1,30}"),
        ) {
            let mut fault = Fault::new(Code::ALL[index], message);
            fault.object = object;
            let cause = serde_json::json!({
                "errorType": fault.code, "errorMessage": fault.to_error_message(), "stackTrace": []
            });
            prop_assert_eq!(Fault::from_execution_error(fault.code.as_str(), &cause.to_string()), fault);
        }
    }
}
