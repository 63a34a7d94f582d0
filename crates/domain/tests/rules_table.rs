//! Expectations written by hand from the product's rules, for every combination of yearly, monthly, weekly and daily
//! rules that are absent, take the first successful backup, or take specific days, beside the default one.
//!
//! Nothing here is computed by the code under test. Twelve backups are made in this order (UTC, weeks from Monday).
//! Which criteria each one meets is read off a calendar:
//!
//! ```text
//!      backup                 first of its        specific days
//!   1  Fri 2027-01-01 02:00   year month week day
//!   2  Fri 2027-01-01 14:00
//!   3  Sat 2027-01-02 02:00                   day
//!   4  Sun 2027-01-03 02:00                   day   weekly (Sundays)
//!   5  Sun 2027-01-03 14:00                         weekly
//!   6  Mon 2027-01-04 02:00              week day   daily (Mondays)
//!   7  Mon 2027-01-04 14:00                         daily
//!   8  Sun 2027-01-31 02:00              week day   yearly (31 January), monthly (last Sunday), weekly
//!   9  Sun 2027-01-31 14:00                         yearly, monthly, weekly
//!  10  Mon 2027-02-01 02:00        month week day   daily
//!  11  Sun 2027-02-28 02:00              week day   monthly, weekly
//!  12  Sat 2028-01-01 02:00   year month week day
//! ```
//!
//! The highest rule that a backup meets sets its retention, also where a lower one would keep it longer: here, the
//! higher a rule the shorter it keeps.

use std::collections::BTreeSet;

use jiff::Timestamp;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::retention::{Asked, PeriodClaim, RuleName, decide};

const BACKUPS: [&str; 12] = [
    "2027-01-01T02:00:00Z",
    "2027-01-01T14:00:00Z",
    "2027-01-02T02:00:00Z",
    "2027-01-03T02:00:00Z",
    "2027-01-03T14:00:00Z",
    "2027-01-04T02:00:00Z",
    "2027-01-04T14:00:00Z",
    "2027-01-31T02:00:00Z",
    "2027-01-31T14:00:00Z",
    "2027-02-01T02:00:00Z",
    "2027-02-28T02:00:00Z",
    "2028-01-01T02:00:00Z",
];

/// The rules yearly, monthly, weekly, daily: `-` absent, `f` first successful, `s` specific. Then the rule of each
/// backup: Y, M, W, D, or `.` for default.
const EXPECTED: &str = "
    - - - -  ............
    - - - f  D.DD.D.D.DDD
    - - - s  .....DD..D..
    - - f -  W....W.W.WWW
    - - f f  W.DD.W.W.WWW
    - - f s  W....WDW.WWW
    - - s -  ...WW..WW.W.
    - - s f  D.DWWD.WWDWD
    - - s s  ...WWDDWWDW.
    - f - -  M........M.M
    - f - f  M.DD.D.D.MDM
    - f - s  M....DD..M.M
    - f f -  M....W.W.MWM
    - f f f  M.DD.W.W.MWM
    - f f s  M....WDW.MWM
    - f s -  M..WW..WWMWM
    - f s f  M.DWWD.WWMWM
    - f s s  M..WWDDWWMWM
    - s - -  .......MM.M.
    - s - f  D.DD.D.MMDMD
    - s - s  .....DDMMDM.
    - s f -  W....W.MMWMW
    - s f f  W.DD.W.MMWMW
    - s f s  W....WDMMWMW
    - s s -  ...WW..MM.M.
    - s s f  D.DWWD.MMDMD
    - s s s  ...WWDDMMDM.
    f - - -  Y..........Y
    f - - f  Y.DD.D.D.DDY
    f - - s  Y....DD..D.Y
    f - f -  Y....W.W.WWY
    f - f f  Y.DD.W.W.WWY
    f - f s  Y....WDW.WWY
    f - s -  Y..WW..WW.WY
    f - s f  Y.DWWD.WWDWY
    f - s s  Y..WWDDWWDWY
    f f - -  Y........M.Y
    f f - f  Y.DD.D.D.MDY
    f f - s  Y....DD..M.Y
    f f f -  Y....W.W.MWY
    f f f f  Y.DD.W.W.MWY
    f f f s  Y....WDW.MWY
    f f s -  Y..WW..WWMWY
    f f s f  Y.DWWD.WWMWY
    f f s s  Y..WWDDWWMWY
    f s - -  Y......MM.MY
    f s - f  Y.DD.D.MMDMY
    f s - s  Y....DDMMDMY
    f s f -  Y....W.MMWMY
    f s f f  Y.DD.W.MMWMY
    f s f s  Y....WDMMWMY
    f s s -  Y..WW..MM.MY
    f s s f  Y.DWWD.MMDMY
    f s s s  Y..WWDDMMDMY
    s - - -  .......YY...
    s - - f  D.DD.D.YYDDD
    s - - s  .....DDYYD..
    s - f -  W....W.YYWWW
    s - f f  W.DD.W.YYWWW
    s - f s  W....WDYYWWW
    s - s -  ...WW..YY.W.
    s - s f  D.DWWD.YYDWD
    s - s s  ...WWDDYYDW.
    s f - -  M......YYM.M
    s f - f  M.DD.D.YYMDM
    s f - s  M....DDYYM.M
    s f f -  M....W.YYMWM
    s f f f  M.DD.W.YYMWM
    s f f s  M....WDYYMWM
    s f s -  M..WW..YYMWM
    s f s f  M.DWWD.YYMWM
    s f s s  M..WWDDYYMWM
    s s - -  .......YY.M.
    s s - f  D.DD.D.YYDMD
    s s - s  .....DDYYDM.
    s s f -  W....W.YYWMW
    s s f f  W.DD.W.YYWMW
    s s f s  W....WDYYWMW
    s s s -  ...WW..YY.M.
    s s s f  D.DWWD.YYDMD
    s s s s  ...WWDDYYDM.
";

/// What the rules say beside their criteria, and the specific criteria.
const RULES: [(char, &str, &str, &str); 4] = [
    ('Y', "yearly", "P7D", "{months: [january], days: [31]}"),
    ('M', "monthly", "P1M", "{weekdays: [sunday], weeks: [last]}"),
    ('W', "weekly", "P6M", "{weekdays: [sunday]}"),
    ('D', "daily", "P1Y", "{weekdays: [monday]}"),
];

/// When a backup ends under each rule, of P7D, P1M, P6M, P1Y and, for default, P10Y.
const ENDS: [(&str, [(char, &str); 5]); 3] = [
    (
        "2027-01-01T02:00:00Z",
        [
            ('Y', "2027-01-08T02:00:00Z"),
            ('M', "2027-02-01T02:00:00Z"),
            ('W', "2027-07-01T02:00:00Z"),
            ('D', "2028-01-01T02:00:00Z"),
            ('.', "2037-01-01T02:00:00Z"),
        ],
    ),
    (
        "2027-01-31T14:00:00Z",
        [
            ('Y', "2027-02-07T14:00:00Z"),
            ('M', "2027-02-28T14:00:00Z"),
            ('W', "2027-07-31T14:00:00Z"),
            ('D', "2028-01-31T14:00:00Z"),
            ('.', "2037-01-31T14:00:00Z"),
        ],
    ),
    (
        "2027-02-28T02:00:00Z",
        [
            ('Y', "2027-03-07T02:00:00Z"),
            ('M', "2027-03-28T02:00:00Z"),
            ('W', "2027-08-28T02:00:00Z"),
            ('D', "2028-02-28T02:00:00Z"),
            ('.', "2037-02-28T02:00:00Z"),
        ],
    ),
];

/// The policy of a row of [`EXPECTED`].
fn policy(forms: [char; 4]) -> PolicySpec {
    let mut text = String::from("retention:\n  default: {backup_store: P10Y}\n");
    for (form, (_, name, keep, specific)) in forms.into_iter().zip(RULES) {
        let criteria = match form {
            'f' => "first_successful",
            's' => specific,
            _ => continue,
        };
        let rule = format!("  {name}: {{criteria: {criteria}, backup_store: {keep}}}\n");
        text.push_str(&rule);
    }
    parse(&text)
}

fn parse(text: &str) -> PolicySpec {
    PolicySpec::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn letter(rule: RuleName) -> char {
    match rule {
        RuleName::Yearly => 'Y',
        RuleName::Monthly => 'M',
        RuleName::Weekly => 'W',
        RuleName::Daily => 'D',
        RuleName::Default => '.',
    }
}

#[test]
fn every_combination_of_rules_and_criteria_is_as_written_by_hand() {
    let mut rows = BTreeSet::new();
    for row in EXPECTED.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (forms, expected) = row.split_once("  ").unwrap();
        let forms: Vec<char> = forms.split(' ').map(|form| form.parse().unwrap()).collect();
        assert!(rows.insert(forms.clone()), "{row} stands twice");
        let spec = policy(forms.try_into().unwrap());
        let mut taken: BTreeSet<PeriodClaim> = BTreeSet::new();
        let mut found = String::new();
        for backup in BACKUPS {
            let verdict = decide(&spec, backup.parse().unwrap(), Asked::Scheduled, &taken).unwrap();
            let rule = letter(verdict.rule);
            found.push(rule);
            assert_eq!(verdict.retention.rule, verdict.rule, "{row}: {backup}");
            assert!(verdict.claims.iter().all(|claim| taken.insert(*claim)), "{row}: {backup} claims again");
            if let Some((_, ends)) = ENDS.iter().find(|(at, _)| *at == backup) {
                let (_, end) = ends.iter().find(|(of, _)| *of == rule).unwrap();
                assert_eq!(verdict.retention.backup_store_until.to_string(), *end, "{row}: {backup}");
            }
        }
        assert_eq!(found, expected, "{row}");
    }
    assert_eq!(rows.len(), 81, "three forms of four rules");
}

/// Specific criteria, a day that they choose, and one near it that they do not.
const CHOSEN_DAYS: [(&str, &str, &str, &str); 22] = [
    ("weekly", "weekdays: [wednesday]", "2027-06-09", "2027-06-10"),
    ("weekly", "weekdays: [monday, sunday]", "2027-06-06", "2027-06-08"),
    ("daily", "weekdays: [saturday]", "2027-06-12", "2027-06-13"),
    ("monthly", "days: [1]", "2027-06-01", "2027-06-02"),
    ("monthly", "days: [31]", "2027-08-31", "2027-06-30"),
    ("monthly", "days: [last]", "2027-06-30", "2027-07-30"),
    ("monthly", "days: [last]", "2028-02-29", "2028-02-28"),
    ("monthly", "days: [last]", "2027-02-28", "2027-02-27"),
    ("monthly", "days: [15, last]", "2027-06-15", "2027-06-16"),
    ("monthly", "weekdays: [friday]", "2027-06-11", "2027-06-12"),
    ("monthly", "weekdays: [friday], weeks: [first]", "2027-06-04", "2027-06-11"),
    ("monthly", "weekdays: [tuesday], weeks: [first]", "2027-06-01", "2027-06-08"),
    ("monthly", "weekdays: [friday], weeks: [second]", "2027-06-11", "2027-06-04"),
    ("monthly", "weekdays: [friday], weeks: [third]", "2027-06-18", "2027-06-25"),
    ("monthly", "weekdays: [friday], weeks: [fourth]", "2027-07-23", "2027-07-30"),
    ("monthly", "weekdays: [friday], weeks: [last]", "2027-07-30", "2027-07-23"),
    // A month of four Fridays: the fourth is the last.
    ("monthly", "weekdays: [friday], weeks: [fourth]", "2027-06-25", "2027-06-18"),
    ("monthly", "weekdays: [friday], weeks: [last]", "2027-06-25", "2027-06-18"),
    ("yearly", "months: [february], days: [29]", "2028-02-29", "2027-02-28"),
    ("yearly", "months: [december], days: [last]", "2027-12-31", "2027-11-30"),
    ("yearly", "months: [june, december], weekdays: [sunday], weeks: [first]", "2027-12-05", "2027-11-07"),
    ("yearly", "months: [june], weekdays: [sunday], weeks: [last]", "2027-06-27", "2027-06-20"),
];

#[test]
fn specific_criteria_choose_the_days_that_they_name() {
    for (rule, criteria, chosen, other) in CHOSEN_DAYS {
        let spec =
            parse(&format!("retention: {{{rule}: {{criteria: {{{criteria}}}, backup_store: P1Y}}}}\n"));
        let rule_on = |day: &str| {
            let noon: Timestamp = format!("{day}T12:00:00Z").parse().unwrap();
            let verdict = decide(&spec, noon, Asked::Scheduled, &BTreeSet::new()).unwrap();
            assert!(verdict.claims.is_empty(), "specific days use nothing up");
            verdict.rule.to_string()
        };
        assert_eq!(rule_on(chosen), rule, "{criteria} on {chosen}");
        assert_eq!(rule_on(other), "default", "{criteria} on {other}");
    }
}

#[test]
fn an_on_demand_backup_takes_the_rule_that_is_asked_for_and_uses_nothing_up() {
    let spec = policy(['f', 'f', 's', '-']);
    let first = "2027-01-01T02:00:00Z".parse().unwrap();
    for rule in [RuleName::Yearly, RuleName::Monthly, RuleName::Weekly, RuleName::Default] {
        let verdict = decide(&spec, first, Asked::OnDemand(rule), &BTreeSet::new()).unwrap();
        assert_eq!((verdict.rule, verdict.claims), (rule, Vec::new()));
        let taken = BTreeSet::from(["yearly#2027".parse().unwrap(), "monthly#2027-01".parse().unwrap()]);
        let late = decide(&spec, first, Asked::OnDemand(rule), &taken).unwrap();
        assert_eq!(late.retention, verdict.retention, "also where the period has its backup");
    }
    let missing = decide(&spec, first, Asked::OnDemand(RuleName::Daily), &BTreeSet::new()).unwrap_err();
    assert_eq!(missing.has, [RuleName::Yearly, RuleName::Monthly, RuleName::Weekly, RuleName::Default]);
}

#[test]
fn a_point_uses_up_the_periods_of_lower_rules_too() {
    let spec = policy(['f', 'f', 'f', 'f']);
    let claims = |time: &str, taken: &[&str]| {
        let taken = taken.iter().map(|claim| claim.parse().unwrap()).collect();
        let verdict = decide(&spec, time.parse().unwrap(), Asked::Scheduled, &taken).unwrap();
        verdict.claims.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        claims("2027-01-01T02:00:00Z", &[]),
        ["yearly#2027", "monthly#2027-01", "weekly#2026-12-28", "daily#2027-01-01"]
    );
    // The week began in the old year and has its backup; the year is new.
    assert_eq!(
        claims("2027-01-01T02:00:00Z", &["weekly#2026-12-28", "yearly#2026"]),
        ["yearly#2027", "monthly#2027-01", "daily#2027-01-01"]
    );
    assert_eq!(claims("2027-01-01T14:00:00Z", &["yearly#2027", "monthly#2027-01"]).len(), 2);
}
