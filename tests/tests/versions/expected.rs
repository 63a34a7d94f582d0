//! Which differences are right, and why.

use permafrost_tests::fidelity::Expected;
use permafrost_tests::fidelity::contents::Subject;

/// Whether stock `pg_restore` reports statements that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaints {
    /// It does not.
    None,
    /// It does: what they leave behind is among the differences.
    Listed,
}

/// What to expect of stock `pg_restore`'s messages.
pub(crate) fn complaints(from: u32, to: u32) -> Complaints {
    if to < from || (from, to) == (10, 10) { Complaints::Listed } else { Complaints::None }
}

/// What differs after a copy by stock `pg_dump` and `pg_restore`.
pub(crate) fn of_stock(from: u32, to: u32) -> Vec<Expected> {
    let mut found = of_either(from, to);
    found.extend(all(
        Subject::Database,
        &["comment", "connection limit", "privileges", "settings*"],
        NOT_CREATED,
    ));
    if (from, to) == (10, 10) {
        found.extend(all(
            Subject::Definition,
            &NEW_SYNTAX,
            "pg_dump 11 and newer write FUNCTION, which 10 does not read",
        ));
    }
    found
}

/// What differs after Permafrost restored it, with the pg_dump of the source's own version or of the next on board.
pub(crate) fn of_permafrost(from: u32, to: u32) -> Vec<Expected> {
    let mut found = of_either(from, to);
    if to < from {
        // The test takes the value out beforehand that keeps stock tools from loading this table.
        found.retain(|expected| expected.object != "\"app\".\"moments\"");
        return found;
    }
    let mut differing =
        |objects: &[&'static str], reason| found.extend(all(Subject::Definition, objects, reason));
    if from < 17 && to >= 17 {
        differing(
            &["ACL app.TABLE numbers"],
            "ALL, of a version without MAINTAIN, is what an older pg_dump writes, and 17 takes it for all that it has",
        );
    }
    if from < 16 && to >= 16 {
        differing(
            &["SUBSCRIPTION -.to_nowhere"],
            "an option that the older pg_dump does not know has the default of the new version",
        );
    }
    found
}

/// What differs whoever restored it.
fn of_either(from: u32, to: u32) -> Vec<Expected> {
    let mut found = all(Subject::Definition, &["TABLE app.other_child"], INHERITED_FIRST);
    if from == to {
        return found;
    }
    let mut differing =
        |objects: &[&'static str], reason| found.extend(all(Subject::Definition, objects, reason));
    // Both ends of a change: what reads differently on the older server does so whichever of the two it is.
    let older = from.min(to);
    if older < 18 {
        differing(
            &["TABLE app.sixty-three*"],
            "18 keeps names of NOT NULL constraints, and this one had to be cut",
        );
    }
    if older < 17 {
        differing(&["ACL app.TABLE binaries"], "17 added MAINTAIN, which no REVOKE before it took away");
    }
    if older < 16 {
        differing(
            &["VIEW *", "MATERIALIZED VIEW *", "RULE app.by_key _RETURN"],
            "16 leaves out needless names of tables",
        );
    }
    if older < 14 {
        differing(
            &["TYPE app.span", "TYPE app.whole_range", "TYPE app.words"],
            "14 gives every range type a multirange type",
        );
        differing(&["OPERATOR CLASS app.int_too_hash", "OPERATOR FAMILY app.int_too_hash"], LOOSE_MEMBERS);
    }
    if (11..14).contains(&older) {
        differing(
            &["PROCEDURE app.proceed_as_definer(text)"],
            "14 writes IN before a procedure's parameters",
        );
        differing(&["OPERATOR CLASS app.box_too", "OPERATOR FAMILY app.box_too"], LOOSE_MEMBERS);
    }
    if older < 11 {
        differing(&["TRIGGER *"], "11 writes EXECUTE FUNCTION instead of EXECUTE PROCEDURE");
    }
    if to < from {
        differing(
            &LOST_ON_15,
            "the older server has no such thing, or it stands on one that it does not have",
        );
        differing(&OTHERWISE_ON_15, "the older server writes it otherwise, or has no such option");
        found.extend(all(
            Subject::Rows,
            &ROWS_LOST_ON_15,
            "the table, or a value in it, is nothing that 15 has",
        ));
        found.extend(all(
            Subject::Order,
            &["*"],
            "what is missing broke a dependency that moved the objects after it",
        ));
    }
    found
}

const INHERITED_FIRST: &str = "pg_dump restores inherited columns before a table's own";
const NOT_CREATED: &str = "pg_restore brings them back only where it creates the database itself";
const LOOSE_MEMBERS: &str = "14 depends more loosely on operators of an operator class";

fn all(subject: Subject, objects: &[&'static str], reason: &'static str) -> Vec<Expected> {
    objects.iter().map(|object| Expected { subject, object, reason }).collect()
}

/// What pg_dump 11 and newer write in a syntax that 10 does not read, and what hangs on it.
const NEW_SYNTAX: [&str; 6] = [
    "COMMENT -.EVENT TRIGGER no_new_casts",
    "COMMENT app.OPERATOR === (app.address, app.address)",
    "EVENT TRIGGER *",
    "OPERATOR app.!===",
    "OPERATOR app.===",
    "OPERATOR app.@#@",
];

/// What 18 has and 15 cannot take.
const LOST_ON_15: [&str; 53] = [
    "ACL app.TABLE at_local",
    "ACL app.TABLE by_built_in",
    "ACL app.TABLE by_rules",
    "ACL app.TABLE json_built",
    "ACL app.TABLE json_queried",
    "ACL app.TABLE json_tabulated",
    "ACL app.TABLE keyed_by_time",
    "ACL app.TABLE named_nulls",
    "ACL app.TABLE named_nulls_child",
    "ACL app.TABLE null_below",
    "ACL app.TABLE options_18",
    "ACL app.TABLE texts",
    "ACL app.TABLE underscored",
    "ACL app.TABLE virtual_columns",
    "CHECK CONSTRAINT app.not_enforced believed",
    "COLLATION app.built_in",
    "COLLATION app.built_in_fast",
    "COLLATION app.with_rules",
    "COMMENT -.SUBSCRIPTION to_nowhere",
    "COMMENT app.CONSTRAINT \"a is there\" ON named_nulls",
    "COMMENT app.CONSTRAINT c_not_checked ON named_nulls",
    "CONSTRAINT app.by_built_in by_built_in_pkey",
    "CONSTRAINT app.by_rules by_rules_pkey",
    "CONSTRAINT app.keyed_by_time keyed_by_time_pkey",
    "CONSTRAINT app.named_nulls c_not_checked",
    "CONSTRAINT app.named_nulls named_nulls_pkey",
    "CONSTRAINT app.room_bookings room_bookings_name_during_key",
    "CONSTRAINT app.rooms rooms_pkey",
    "DEFAULT ACL -.DEFAULT PRIVILEGES FOR LARGE OBJECTS",
    "DEFAULT ACL -.DEFAULT PRIVILEGES FOR TABLES",
    "EVENT TRIGGER -.at_login",
    "FK CONSTRAINT app.not_enforced believed_reference",
    "FK CONSTRAINT app.notes_18 not_valid_whole",
    "FK CONSTRAINT app.room_bookings room_bookings_name_during_fkey",
    "FUNCTION app.merges_and_returns()",
    "FUNCTION app.returns_both()",
    "PUBLICATION -.with_generated",
    "PUBLICATION TABLE app.with_generated generated",
    "PUBLICATION TABLE app.with_generated generated_child",
    "SUBSCRIPTION -.to_nowhere",
    "TABLE app.by_built_in",
    "TABLE app.by_rules",
    "TABLE app.keyed_by_time",
    "TABLE app.named_nulls",
    "TABLE app.named_nulls_child",
    "TABLE app.null_below",
    "TABLE app.options_18",
    "TABLE app.virtual_columns",
    "VIEW app.at_local",
    "VIEW app.json_built",
    "VIEW app.json_queried",
    "VIEW app.json_tabulated",
    "VIEW app.underscored",
];

/// What 15 takes and writes otherwise.
const OTHERWISE_ON_15: [&str; 16] = [
    "ACL app.TABLE numbers",
    "FOREIGN TABLE app.far_like",
    "TABLE app.clustered_part",
    "TABLE app.events_2030",
    "TABLE app.events_2031",
    "TABLE app.events_2031_a",
    "TABLE app.events_2031_b",
    "TABLE app.events_before",
    "TABLE app.events_rest",
    "TABLE app.hashed_0",
    "TABLE app.hashed_1",
    "TABLE app.named_nulls_part",
    "TABLE app.named_nulls_parts",
    "TABLE app.numbered_parts",
    "TABLE app.numbered_parts_1",
    "TABLE app.numbered_parts_2",
];

/// Tables whose rows 15 cannot take.
const ROWS_LOST_ON_15: [&str; 9] = [
    "\"app\".\"by_built_in\"",
    "\"app\".\"by_rules\"",
    "\"app\".\"keyed_by_time\"",
    "\"app\".\"moments\"",
    "\"app\".\"named_nulls\"",
    "\"app\".\"named_nulls_child\"",
    "\"app\".\"null_below\"",
    "\"app\".\"options_18\"",
    "\"app\".\"virtual_columns\"",
];
