//! Figures for people: bytes in IEC units, counts with separators, times in UTC, spans of time.

use jiff::{SignedDuration, Timestamp};

/// Bytes with one decimal from KiB on: `512 B`, `1.5 KiB`, `2.0 GiB`. Rounded down.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut shift = 10;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if bytes >> (shift + 10) == 0 {
            break;
        }
        shift += 10;
        unit = larger;
    }
    let tenths = (u128::from(bytes) * 10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A count with a comma before every three digits: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment in UTC to the second, RFC 3339: `2026-11-22T08:00:00Z`.
pub(crate) fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A day in UTC: `2026-11-22`.
pub(crate) fn day(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

/// A span of time in its two largest units, rounded down: `12 s`, `1 min 12 s`, `3 h 5 min`, `2 d 4 h`.
pub(crate) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_given_in_iec_units() {
        for (given, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1023.9 KiB"),
            (314_572_800, "300.0 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(given), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (given, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(given), text);
        }
    }

    #[test]
    fn times_are_in_utc_to_the_second() {
        let moment: Timestamp = "2026-11-22T09:30:00.987+01:00".parse().unwrap();
        assert_eq!(time(moment), "2026-11-22T08:30:00Z");
        assert_eq!(day(moment), "2026-11-22");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (72, "1 min 12 s"),
            (11_100, "3 h 5 min"),
            (187_200, "2 d 4 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }
}
