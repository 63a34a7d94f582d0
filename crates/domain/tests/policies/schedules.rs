//! When runs are due: by the clock of a time zone, with its daylight saving.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use permafrost_domain::InstanceId;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::schedule::{Schedule, StartWindow, start_delay};
use proptest::prelude::*;

use crate::arbitrary;

fn schedule(text: &str) -> Schedule {
    PolicySpec::parse(&format!("schedule: {text}")).unwrap().schedule.unwrap()
}

/// The runs after `after` and no later than `until`, in UTC.
fn runs(text: &str, after: &str, until: &str) -> Vec<String> {
    let (after, until) = (after.parse().unwrap(), until.parse().unwrap());
    schedule(text).run_due(after, until).iter().map(|run| run.at.to_string()).collect()
}

#[test]
fn berlin_in_spring_and_autumn() {
    let daily = "{every: day, at: '02:30', time_zone: Europe/Berlin}";
    assert_eq!(
        runs(daily, "2027-03-26T12:00:00Z", "2027-03-30T00:00:00Z"),
        [
            "2027-03-27T01:30:00Z",
            // 02:30 does not exist: the clock goes from 02:00 to 03:00, which is the next valid instant.
            "2027-03-28T01:00:00Z",
            "2027-03-29T00:30:00Z",
        ]
    );
    assert_eq!(
        runs(daily, "2027-10-29T12:00:00Z", "2027-11-01T12:00:00Z"),
        // 02:30 of the 31st happens twice: the first alone.
        ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]
    );
}

#[test]
fn sydney_in_its_spring_and_autumn() {
    let daily = "{every: day, at: '02:30', time_zone: Australia/Sydney}";
    assert_eq!(
        runs(daily, "2027-10-01T17:00:00Z", "2027-10-03T17:00:00Z"),
        ["2027-10-02T16:00:00Z", "2027-10-03T15:30:00Z"]
    );
    assert_eq!(
        runs(daily, "2027-04-02T17:00:00Z", "2027-04-05T12:00:00Z"),
        ["2027-04-03T15:30:00Z", "2027-04-04T16:30:00Z"]
    );
}

#[test]
fn lord_howe_moves_its_clock_by_half_an_hour() {
    let daily = "{every: day, at: ['01:45', '02:15'], time_zone: Australia/Lord_Howe}";
    // 3 October 2027: from 02:00 to 02:30, so that 02:15 runs at 02:30 (+11).
    assert_eq!(
        runs(daily, "2027-10-02T12:00:00Z", "2027-10-03T12:00:00Z"),
        ["2027-10-02T15:15:00Z", "2027-10-02T15:30:00Z"]
    );
    // 4 April 2027: from 02:00 back to 01:30, so that 01:45 happens twice and runs once.
    assert_eq!(
        runs(daily, "2027-04-03T12:00:00Z", "2027-04-04T12:00:00Z"),
        ["2027-04-03T14:45:00Z", "2027-04-03T15:45:00Z"]
    );
}

#[test]
fn a_clock_that_is_set_forward_at_midnight_moves_the_run_of_that_midnight() {
    // 5 September 2027 begins in Santiago at 01:00.
    let daily = "{every: day, at: '00:00', time_zone: America/Santiago}";
    assert_eq!(
        runs(daily, "2027-09-03T12:00:00Z", "2027-09-06T12:00:00Z"),
        ["2027-09-04T04:00:00Z", "2027-09-05T04:00:00Z", "2027-09-06T03:00:00Z"]
    );
}

#[test]
fn times_in_one_gap_are_one_run() {
    let daily = "{every: day, at: ['02:10', '02:50', '03:00'], time_zone: Europe/Berlin}";
    assert_eq!(runs(daily, "2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z"), ["2027-03-28T01:00:00Z"]);
}

#[test]
fn a_day_that_a_zone_left_out_has_its_run_when_the_next_one_begins() {
    // Samoa went from 29 to 31 December 2011.
    let friday = "{every: week, on: [friday], at: '12:00', time_zone: Pacific/Apia}";
    assert_eq!(runs(friday, "2011-12-24T00:00:00Z", "2012-01-01T00:00:00Z"), ["2011-12-30T10:00:00Z"]);
}

#[test]
fn every_few_hours_goes_by_the_clock() {
    let hourly = "{every: hour, interval: 6, at: '01:30', time_zone: Europe/Berlin}";
    assert_eq!(
        runs(hourly, "2027-03-27T18:00:00Z", "2027-03-28T18:00:00Z"),
        [
            "2027-03-27T18:30:00Z",
            "2027-03-28T00:30:00Z",
            "2027-03-28T05:30:00Z",
            "2027-03-28T11:30:00Z",
            "2027-03-28T17:30:00Z"
        ]
    );
    // The second 02:00 of the night is no run of its own.
    let each = "{every: hour, time_zone: Europe/Berlin}";
    assert_eq!(runs(each, "2027-10-30T12:00:00Z", "2027-10-31T12:00:00Z").len(), 23);
    assert_eq!(runs(each, "2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z").len(), 24);
}

#[test]
fn days_of_the_month_that_are_not_there_have_no_run() {
    let monthly = "{every: month, on: [31, last], at: '00:00'}";
    let dates: Vec<String> = runs(monthly, "2027-12-31T12:00:00Z", "2028-05-31T00:00:00Z")
        .iter()
        .map(|run| run[..10].to_owned())
        .collect();
    assert_eq!(dates, ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]);
    let thirty_first = "{every: month, on: [31], at: '00:00'}";
    assert_eq!(runs(thirty_first, "2027-12-31T12:00:00Z", "2028-12-31T12:00:00Z").len(), 7);
}

#[test]
fn the_end_of_the_calendar_ends_the_runs() {
    let daily = schedule("{every: day, at: '02:00', time_zone: Europe/Berlin}");
    assert!(daily.runs_after(Timestamp::MAX).next().is_none());
}

#[test]
fn expressions_are_as_narrow_as_the_zone_allows() {
    let from = "2026-11-22T00:00:00Z".parse().unwrap();
    let expression = |text: &str| schedule(text).utc_cron(from).to_string();
    assert_eq!(expression("{every: day, at: '02:30'}"), "cron(30 2 * * ? *)");
    assert_eq!(
        expression("{every: week, on: monday, at: '20:15', time_zone: Asia/Kathmandu}"),
        "cron(30 14 * * ? *)"
    );
    // 02:30 at both offsets, and 01:00 UTC, when it does not exist.
    assert_eq!(expression("{every: day, at: '02:30', time_zone: Europe/Berlin}"), "cron(0,30 0,1 * * ? *)");
    assert_eq!(expression("{every: day, at: '12:00', time_zone: Europe/Berlin}"), "cron(0 10,11 * * ? *)");
    // Half past each hour, and its whole hours, when the clock has been moved by half an hour.
    let lord_howe = schedule("{every: hour, at: '00:00', time_zone: Australia/Lord_Howe}").utc_cron(from);
    assert_eq!(lord_howe.firings_a_day(), 48);
}

#[test]
fn starts_spread_over_the_window() {
    let window = StartWindow::default();
    let mut quarters = [0_u32; 4];
    for n in 0..2_000 {
        let instance = InstanceId::new(Timestamp::UNIX_EPOCH, n);
        let delay = start_delay(instance, window);
        assert_eq!(delay, start_delay(instance, window));
        assert!((SignedDuration::ZERO..SignedDuration::from_mins(60)).contains(&delay));
        quarters[usize::try_from(delay.as_mins() / 15).unwrap()] += 1;
    }
    assert!(quarters.iter().all(|count| (400..600).contains(count)), "{quarters:?}");
    let none = StartWindow::from_minutes(0).unwrap();
    assert_eq!(start_delay(InstanceId::new(Timestamp::UNIX_EPOCH, 1), none), SignedDuration::ZERO);
}

/// The runs after `after` and no later than `until`, told by looking at the clock every minute: one is due whenever the
/// clock shows, for the first time, what is scheduled or later.
fn runs_by_the_clock(schedule: &Schedule, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let rules = schedule.time_zone.rules();
    let times = schedule.recurrence.times();
    let is_scheduled = |from: DateTime, to: DateTime| {
        let dates = std::iter::successors(Some(from.date()), |date| date.tomorrow().ok());
        dates.take_while(|date| *date <= to.date()).any(|date| {
            let mut clocks = times.iter().map(|time| date.to_datetime(time.to_time()));
            schedule.recurrence.runs_on(date) && clocks.any(|clock| from < clock && clock <= to)
        })
    };
    let mut at = after - SignedDuration::from_hours(27) - SignedDuration::from_secs(after.as_second() % 60);
    let mut shown = rules.to_datetime(at);
    let mut runs = Vec::new();
    while at <= until {
        let clock = rules.to_datetime(at);
        if clock > shown {
            if at > after && is_scheduled(shown, clock) {
                runs.push(at);
            }
            shown = clock;
        }
        at += SignedDuration::from_mins(1);
    }
    runs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No run twice, none lost: what is due in three days is what the clock says, minute by minute.
    #[test]
    fn runs_are_those_of_the_clock(schedule in arbitrary::schedule(), near in moment_near_a_transition()) {
        let (after, until) = (near, near + SignedDuration::from_hours(3 * 24));
        let expected = runs_by_the_clock(&schedule, after, until);
        let found: Vec<Timestamp> = schedule.run_due(after, until).iter().map(|run| run.at).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// Whoever asks in pieces gets the same runs as who asks at once.
    #[test]
    fn no_run_falls_between_two_questions(
        schedule in arbitrary::schedule(), near in moment_near_a_transition(), cut in 0_i64..864_000,
    ) {
        let (middle, until) =
            (near + SignedDuration::from_secs(cut), near + SignedDuration::from_hours(10 * 24));
        let mut pieces = schedule.run_due(near, middle);
        pieces.extend(schedule.run_due(middle, until));
        prop_assert_eq!(pieces, schedule.run_due(near, until));
    }

    /// The expression in UTC fires at every run of the coming eleven years.
    #[test]
    fn the_expression_fires_at_every_run(
        schedule in arbitrary::schedule(), from in arbitrary::moment(), later_days in 0_i64..11 * 365 - 200,
    ) {
        let expression = schedule.utc_cron(from);
        let later = from + SignedDuration::from_hours(24 * later_days);
        for run in schedule.runs_after(later).take(200).filter(|run| {
            run.at.duration_since(from) <= SignedDuration::from_hours(24 * 11 * 365)
        }) {
            prop_assert!(expression.fires_at(run.at), "{expression} does not fire at {}", run.at);
        }
    }
}

/// A moment some days before a night on which clocks are set, or any other.
fn moment_near_a_transition() -> impl Strategy<Value = Timestamp> {
    let nights = [(3, 28), (10, 31), (10, 3), (4, 4), (9, 5), (3, 14), (11, 7)];
    let night =
        (proptest::sample::select(nights.to_vec()), 0_i64..5 * 43_200).prop_map(|((month, day), before)| {
            let night = Date::new(2027, month, day).unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
            night - SignedDuration::from_secs(before)
        });
    prop_oneof![3 => night, 1 => arbitrary::moment()]
}
