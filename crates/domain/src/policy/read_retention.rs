//! Reads the part `retention` of a policy.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use crate::calendar::{Month, WeekOfMonth, WeekStart, Weekday};
use crate::policy::node::Value;
use crate::policy::read::{Field, Fields, Reader, one_of};
use crate::retention::{
    ArchiveLifetime, ChosenDays, Criteria, CriteriaField, Lifetime, OnExpiry, RetentionRules, Rule, RuleName,
};
use crate::tiering::ArchiveClass;

const BACKUP_STORE: &str = "P<n>D, P<n>W, P<n>M or P<n>Y from 7 days to 10 years";
const ARCHIVE_STORE: &str = "P<n>D, P<n>W, P<n>M or P<n>Y from 6 months to 10 years";

/// The word that stands in place of specific criteria.
const FIRST_SUCCESSFUL: &str = "first_successful";

/// What becomes of a point when its time in the backup store ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Delete,
    Archive,
}

impl FromStr for Then {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "delete" => Ok(Self::Delete),
            "archive" => Ok(Self::Archive),
            _ => Err(()),
        }
    }
}

impl Reader {
    pub(super) fn retention(&mut self, field: &Field<'_>) -> Option<RetentionRules> {
        let mut known = vec!["week_starts_on", "default"];
        known.extend(RuleName::PERIODIC.map(RuleName::as_str));
        let fields = self.fields(field, &known)?;
        let week_starts_on = match fields.get("week_starts_on") {
            Some(start) => self.value(&start, &one_of(&WeekStart::ALL)),
            None => Some(WeekStart::Monday),
        };
        let default = match fields.get("default") {
            Some(rule) => self.rule(&rule, RuleName::Default).map(|(_, rule)| rule),
            None => Some(Rule::DEFAULT),
        };
        let periodic: Vec<Option<(Criteria, Rule)>> = RuleName::PERIODIC
            .into_iter()
            .filter_map(|name| fields.get(name.as_str()).map(|field| self.rule(&field, name)))
            .collect();
        let default = default?;
        let mut rules = RetentionRules::new(week_starts_on?, default.backup_store, default.on_expiry);
        for rule in periodic {
            let (criteria, rule) = rule?;
            rules = rules.with(criteria, rule);
        }
        Some(rules)
    }

    fn rule(&mut self, field: &Field<'_>, name: RuleName) -> Option<(Criteria, Rule)> {
        let known = ["criteria", "backup_store", "on_expiry", "archive_store", "archive_class"];
        let known = if name == RuleName::Default { &known[1..] } else { &known[..] };
        let fields = self.fields(field, known)?;
        let criteria = match fields.get("criteria").filter(|_| name != RuleName::Default) {
            Some(criteria) => self.criteria(&criteria, name),
            None => Some(Criteria::FirstSuccessful),
        };
        let backup_store = match fields.get("backup_store") {
            Some(lifetime) => self.value(&lifetime, BACKUP_STORE),
            None if name == RuleName::Default => Some(Lifetime::THREE_MONTHS),
            None => self.required(&fields, "backup_store", BACKUP_STORE).and(None),
        };
        let on_expiry = self.on_expiry(&fields);
        Some((criteria?, Rule { name, backup_store: backup_store?, on_expiry: on_expiry? }))
    }

    fn on_expiry(&mut self, fields: &Fields<'_>) -> Option<OnExpiry> {
        let then = match fields.get("on_expiry") {
            Some(then) => self.value(&then, "delete or archive")?,
            None => Then::Delete,
        };
        if then == Then::Delete {
            self.forbid(fields, "archive_store", "says something only with `on_expiry: archive`");
            self.forbid(fields, "archive_class", "says something only with `on_expiry: archive`");
            return Some(OnExpiry::Delete);
        }
        let class_field = fields.get("archive_class");
        let class = class_field.as_ref().and_then(|field| self.value(field, &one_of(&ArchiveClass::ALL)));
        let keep = self.archive_store(fields, class)?;
        // A class that could not be read has told why; that one is absent is no problem.
        (class.is_some() || class_field.is_none()).then_some(OnExpiry::Archive { keep, class })
    }

    /// The time in the archive store: long enough for the store, and for what its class charges.
    fn archive_store(&mut self, fields: &Fields<'_>, class: Option<ArchiveClass>) -> Option<ArchiveLifetime> {
        let field = self.required(fields, "archive_store", ARCHIVE_STORE)?;
        let lifetime: Lifetime = self.value(&field, ARCHIVE_STORE)?;
        if let Some(Err(loses_money)) = class.map(|class| class.check(lifetime)) {
            self.tell(field.node.position, &field.path, loses_money.to_string(), None);
        }
        let keep = ArchiveLifetime::new(lifetime);
        if keep.is_none() {
            let message = format!("{lifetime} is too short for the archive store");
            self.tell(field.node.position, &field.path, message, Some(ARCHIVE_STORE.to_owned()));
        }
        keep
    }

    fn criteria(&mut self, field: &Field<'_>, rule: RuleName) -> Option<Criteria> {
        let known: Vec<&str> = CriteriaField::of_rule(rule).iter().map(|field| field.as_str()).collect();
        if let Value::Scalar(text) = &field.node.value {
            if text == FIRST_SUCCESSFUL {
                return Some(Criteria::FirstSuccessful);
            }
            let message = format!("{text:?} are no criteria");
            let allowed = format!("{FIRST_SUCCESSFUL}, or a mapping of {}", known.join(", "));
            self.tell(field.node.position, &field.path, message, Some(allowed));
            return None;
        }
        let fields = self.fields(field, &known)?;
        self.check_fields(&fields, &known);
        let weekdays = self.set_or_empty(&fields, CriteriaField::Weekdays, &one_of(&Weekday::ALL));
        let weeks = self.set_or_empty(&fields, CriteriaField::Weeks, &one_of(&WeekOfMonth::ALL));
        let days = self.set_or_empty(&fields, CriteriaField::Days, "a day from 1 to 31, or last");
        let months = self.set_or_empty(&fields, CriteriaField::Months, &one_of(&Month::ALL));
        Some(Criteria::Specific(ChosenDays {
            weekdays: weekdays?,
            weeks: weeks?,
            days: days?,
            months: months?,
        }))
    }

    /// Tells which fields of specific criteria do not go together.
    fn check_fields(&mut self, fields: &Fields<'_>, known: &[&str]) {
        let has = |field: CriteriaField| fields.get(field.as_str()).is_some();
        let (weekdays, weeks, days) =
            (has(CriteriaField::Weekdays), has(CriteriaField::Weeks), has(CriteriaField::Days));
        if !(weekdays || weeks || days || has(CriteriaField::Months)) {
            let allowed = format!("at least one of {}", known.join(", "));
            self.tell(fields.position, &fields.path, "the criteria choose nothing", Some(allowed));
        }
        if days && (weekdays || weeks) {
            let why =
                "chooses days of the month; weekdays choose others: give `days`, or `weekdays` and `weeks`";
            self.forbid(fields, "days", why);
        }
        if weeks && !weekdays {
            self.forbid(fields, "weeks", "says which of the `weekdays`; they are missing");
        }
    }

    /// The set of a field, empty where the field is absent.
    fn set_or_empty<T: FromStr + Ord + Copy + Display>(
        &mut self,
        fields: &Fields<'_>,
        field: CriteriaField,
        allowed: &str,
    ) -> Option<BTreeSet<T>> {
        match fields.get(field.as_str()) {
            Some(field) => self.set(&field, allowed),
            None => Some(BTreeSet::new()),
        }
    }
}
