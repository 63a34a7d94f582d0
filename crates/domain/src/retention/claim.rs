//! Period claims: "this instance has its backup of the year 2031". Each can be made once.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar::WeekStart;
use crate::retention::rules::RuleName;

/// The claim of one period for one rule: `yearly#2031`, `monthly#2031-02`, `weekly#2031-02-10` (the day that the
/// week begins on) or `daily#2031-02-28`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeriodClaim {
    rule: RuleName,
    /// The first day of the period.
    begins: Date,
}

/// A text that is no period claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no period claim: expected yearly#YYYY, monthly#YYYY-MM, weekly#YYYY-MM-DD or daily#YYYY-MM-DD"
)]
pub struct InvalidPeriodClaim(String);

impl PeriodClaim {
    /// The period of `rule` that `date` lies in. The default rule has no periods.
    pub fn of(rule: RuleName, date: Date, week_starts_on: WeekStart) -> Option<Self> {
        let begins = match rule {
            RuleName::Yearly => date.first_of_year(),
            RuleName::Monthly => date.first_of_month(),
            RuleName::Weekly => week_starts_on.week_of(date),
            RuleName::Daily => date,
            RuleName::Default => return None,
        };
        Some(Self { rule, begins })
    }

    /// The rule that the period belongs to.
    pub fn rule(self) -> RuleName {
        self.rule
    }

    /// The first day of the period.
    pub fn begins(self) -> Date {
        self.begins
    }

    /// The period without its rule: `2031`, `2031-02`, `2031-02-10`.
    pub fn period(self) -> String {
        match self.rule {
            RuleName::Yearly => format!("{:04}", self.begins.year()),
            RuleName::Monthly => format!("{:04}-{:02}", self.begins.year(), self.begins.month()),
            RuleName::Weekly | RuleName::Daily | RuleName::Default => self.begins.to_string(),
        }
    }
}

impl fmt::Display for PeriodClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}#{}", self.rule, self.period()))
    }
}

impl FromStr for PeriodClaim {
    type Err = InvalidPeriodClaim;
    fn from_str(text: &str) -> Result<Self, InvalidPeriodClaim> {
        let invalid = || InvalidPeriodClaim(text.chars().take(80).collect());
        let (rule, period) = text.split_once('#').ok_or_else(invalid)?;
        let rule = rule.parse().map_err(|_| invalid())?;
        let date = match rule {
            RuleName::Yearly => format!("{period}-01-01"),
            RuleName::Monthly => format!("{period}-01"),
            RuleName::Weekly | RuleName::Daily => period.to_owned(),
            RuleName::Default => return Err(invalid()),
        };
        let claim = Self { rule, begins: date.parse().map_err(|_| invalid())? };
        // The date's parser takes more forms than ours.
        if claim.to_string() == text { Ok(claim) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for PeriodClaim {
    type Error = InvalidPeriodClaim;
    fn try_from(text: String) -> Result<Self, InvalidPeriodClaim> {
        text.parse()
    }
}

impl From<PeriodClaim> for String {
    fn from(claim: PeriodClaim) -> String {
        claim.to_string()
    }
}

impl utoipa::PartialSchema for PeriodClaim {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(yearly#\\d{4}|monthly#\\d{4}-\\d{2}|(weekly|daily)#\\d{4}-\\d{2}-\\d{2})$"))
            .into()
    }
}

impl utoipa::ToSchema for PeriodClaim {}
