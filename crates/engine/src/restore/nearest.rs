//! The names most like one that does not exist.

/// The most names that are proposed for one.
const MOST: usize = 3;
/// The longest name that is compared; PostgreSQL's have 63 bytes, and two may be joined by a dot.
const LONGEST: usize = 127;

/// The names of `known` that `wanted` may be a slip of, the most alike first: they differ in letter case, in a few
/// letters, or in what stands before the dot.
pub(super) fn nearest<'k>(wanted: &str, known: impl Iterator<Item = &'k str>) -> Vec<String> {
    let folded = wanted.to_lowercase();
    let limit = folded.chars().count() / 3 + 1;
    let last = |name: &str| name.rsplit_once('.').map(|(_, last)| last.to_owned());
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|name| {
            let other = name.to_lowercase();
            let away = distance(&folded, &other);
            let same_last = last(&other).is_some() && last(&other) == last(&folded);
            (away <= limit || same_last).then_some((away, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

/// How many letters are to be put in, taken out or exchanged to get from one to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.chars().take(LONGEST).enumerate() {
        let mut diagonal = row[0];
        row[0] = number + 1;
        for (place, theirs) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != *theirs);
            diagonal = row[place + 1];
            row[place + 1] = exchanged.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["app.orders", "app.Customer", "audit.orders", "app.x", "other.thing"];
        let of = |wanted| nearest(wanted, known.into_iter());
        assert_eq!(of("app.order"), ["app.orders"]);
        assert_eq!(of("app.customer"), ["app.Customer"]);
        assert_eq!(of("public.orders"), ["audit.orders", "app.orders"]);
        assert!(of("nothing.like").is_empty());
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
