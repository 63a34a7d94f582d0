//! The words of the calendar that policies are written in: days of the week and of the month, weeks, months,
//! times of day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};

/// A text that is none of the words that stand here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct InvalidWord {
    text: String,
    what: &'static str,
}

impl InvalidWord {
    fn new(text: &str, what: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), what }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $count:literal, {$($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?}) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them, in their order.
            pub const ALL: [Self; $count] = [$(Self::$variant),+];

            /// The word, as policies write it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidWord;
            fn from_str(text: &str) -> Result<Self, InvalidWord> {
                Self::ALL
                    .into_iter()
                    .find(|word| word.as_str() == text)
                    .ok_or_else(|| InvalidWord::new(text, $what))
            }
        }
    };
}

words! {
    /// A day of the week, Monday first.
    Weekday, "day of the week", 7, {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

words! {
    /// The day that a week begins on.
    WeekStart, "day that a week begins on", 2, {
        /// Monday, as ISO 8601 has it.
        Monday = "monday",
        /// Sunday.
        Sunday = "sunday",
    }
}

words! {
    /// The how manieth of its weekday a day is in its month: the first Sunday, the last Friday.
    WeekOfMonth, "week of the month", 5, {
        /// Days 1 to 7.
        First = "first",
        /// Days 8 to 14.
        Second = "second",
        /// Days 15 to 21.
        Third = "third",
        /// Days 22 to 28.
        Fourth = "fourth",
        /// The last seven days of the month, whichever their number: at times also `fourth`.
        Last = "last",
    }
}

words! {
    /// A month of the year.
    Month, "month", 12, {
        /// January.
        January = "january",
        /// February.
        February = "february",
        /// March.
        March = "march",
        /// April.
        April = "april",
        /// May.
        May = "may",
        /// June.
        June = "june",
        /// July.
        July = "july",
        /// August.
        August = "august",
        /// September.
        September = "september",
        /// October.
        October = "october",
        /// November.
        November = "november",
        /// December.
        December = "december",
    }
}

impl Weekday {
    /// The weekday of `date`.
    pub fn of(date: Date) -> Self {
        Self::ALL[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
    }
}

impl WeekStart {
    /// The first day of the week that `date` lies in.
    pub fn week_of(self, date: Date) -> Date {
        let days_before = match self {
            Self::Monday => date.weekday().to_monday_zero_offset(),
            Self::Sunday => date.weekday().to_sunday_zero_offset(),
        };
        // The calendar begins on a Monday of the year -9999: only there could the subtraction saturate.
        date.saturating_sub(jiff::Span::new().days(days_before))
    }
}

impl WeekOfMonth {
    /// Whether `date` lies in this week of its month.
    pub fn contains(self, date: Date) -> bool {
        match self {
            Self::First => (1..=7).contains(&date.day()),
            Self::Second => (8..=14).contains(&date.day()),
            Self::Third => (15..=21).contains(&date.day()),
            Self::Fourth => (22..=28).contains(&date.day()),
            Self::Last => date.day() > date.days_in_month() - 7,
        }
    }
}

impl Month {
    /// The month of `date`.
    pub fn of(date: Date) -> Self {
        Self::ALL[usize::from(date.month().unsigned_abs()) - 1]
    }
}

/// A day of the month: 1 to 31, or the last, whichever that is. A month that lacks the day has no such day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonthDay {
    /// The day of this number.
    Number(DayNumber),
    /// The last day.
    Last,
}

/// The number of a day in its month: 1 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayNumber(i8);

impl MonthDay {
    /// The day of number `day`, where a month can have it.
    pub fn new(day: i8) -> Option<Self> {
        (1..=31).contains(&day).then_some(Self::Number(DayNumber(day)))
    }

    /// The number, unless it is the last day.
    pub fn number(self) -> Option<i8> {
        match self {
            Self::Number(DayNumber(day)) => Some(day),
            Self::Last => None,
        }
    }

    /// Whether `date` is this day of its month.
    pub fn matches(self, date: Date) -> bool {
        match self {
            Self::Number(DayNumber(day)) => date.day() == day,
            Self::Last => date.day() == date.days_in_month(),
        }
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(DayNumber(day)) => f.pad(&day.to_string()),
            Self::Last => f.pad("last"),
        }
    }
}

impl FromStr for MonthDay {
    type Err = InvalidWord;
    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        let invalid = || InvalidWord::new(text, "day of the month");
        if text == "last" {
            return Ok(Self::Last);
        }
        if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) || text.starts_with('0') {
            return Err(invalid());
        }
        text.parse().ok().and_then(Self::new).ok_or_else(invalid)
    }
}

/// A time of day to the minute, written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    hour: i8,
    minute: i8,
}

impl TimeOfDay {
    /// The beginning of the day.
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0 };

    /// The time `minutes` after midnight, where that is the same day.
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        let hour = i8::try_from(minutes / 60).ok().filter(|hour| *hour < 24)?;
        let minute = i8::try_from(minutes % 60).ok()?;
        Some(Self { hour, minute })
    }

    /// Minutes after midnight.
    pub fn minutes(self) -> u16 {
        u16::from(self.hour.unsigned_abs()) * 60 + u16::from(self.minute.unsigned_abs())
    }

    /// The time on a clock.
    pub fn to_time(self) -> Time {
        jiff::civil::time(self.hour, self.minute, 0, 0)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl FromStr for TimeOfDay {
    type Err = InvalidWord;
    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        let invalid = || InvalidWord::new(text, "time of day");
        let (hour, minute) = text.split_once(':').ok_or_else(invalid)?;
        let number = |digits: &str, below: u16| {
            let plain = digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|number| plain && *number < below).ok_or_else(invalid)
        };
        Self::from_minutes(number(hour, 24)? * 60 + number(minute, 60)?).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_week_begins_on_the_day_that_it_is_said_to() {
        // 2026-12-31 is a Thursday: its week lies across the year's end.
        for day in 28..=31 {
            assert_eq!(WeekStart::Monday.week_of(date(2026, 12, day)), date(2026, 12, 28));
        }
        for day in 1..=3 {
            assert_eq!(WeekStart::Monday.week_of(date(2027, 1, day)), date(2026, 12, 28));
        }
        assert_eq!(WeekStart::Monday.week_of(date(2027, 1, 4)), date(2027, 1, 4));
        assert_eq!(WeekStart::Sunday.week_of(date(2027, 1, 2)), date(2026, 12, 27));
        assert_eq!(WeekStart::Sunday.week_of(date(2027, 1, 3)), date(2027, 1, 3));
    }

    #[test]
    fn each_day_is_in_one_numbered_week_or_behind_the_fourth() {
        for (year, month) in [(2027, 2), (2028, 2), (2027, 4), (2027, 12)] {
            let mut last = 0;
            for day in 1..=date(year, month, 1).days_in_month() {
                let date = date(year, month, day);
                let numbered = WeekOfMonth::ALL[..4].iter().filter(|week| week.contains(date)).count();
                assert_eq!(numbered, usize::from(day <= 28), "{date}");
                last += u8::from(WeekOfMonth::Last.contains(date));
            }
            assert_eq!(last, 7, "{year}-{month}");
        }
        // February of 28 days: the fourth Sunday is the last.
        assert!(
            WeekOfMonth::Fourth.contains(date(2027, 2, 28)) && WeekOfMonth::Last.contains(date(2027, 2, 28))
        );
    }

    #[test]
    fn the_last_day_is_the_one_that_the_month_has() {
        for (month, last) in [(1, 31), (2, 28), (4, 30)] {
            assert!(MonthDay::Last.matches(date(2027, month, last)));
            assert!(!MonthDay::Last.matches(date(2027, month, last - 1)));
        }
        assert!(MonthDay::Last.matches(date(2028, 2, 29)) && !MonthDay::Last.matches(date(2028, 2, 28)));
        assert_eq!("last".parse(), Ok(MonthDay::Last));
        assert_eq!("31".parse::<MonthDay>().unwrap().number(), Some(31));
        for bad in ["0", "32", "01", "-1", "+1", "", "Last", "1.0", "300"] {
            assert!(bad.parse::<MonthDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_written_with_two_digits_each() {
        for minutes in 0..24 * 60 {
            let time = TimeOfDay::from_minutes(minutes).unwrap();
            assert_eq!((time.minutes(), time.to_string().parse()), (minutes, Ok(time)));
        }
        assert_eq!(TimeOfDay::from_minutes(24 * 60), None);
        for bad in ["24:00", "2:00", "02:60", "02", "02:00:00", "-1:00", "+2:00", "02:0", "", "２２:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn words_come_back_from_their_text() {
        assert!(Weekday::ALL.iter().all(|day| day.as_str().parse() == Ok(*day)));
        assert!(Month::ALL.iter().all(|month| month.as_str().parse() == Ok(*month)));
        assert_eq!(Weekday::of(date(2026, 11, 22)), Weekday::Sunday);
        assert_eq!(Month::of(date(2026, 11, 22)), Month::November);
        assert_eq!(
            "Sonntag".parse::<Weekday>().unwrap_err().to_string(),
            "\"Sonntag\" is no day of the week"
        );
    }
}
