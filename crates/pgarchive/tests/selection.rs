//! Which entries of real archives a restore of some objects keeps.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};

use permafrost_pgarchive::{
    Content, DumpId, Entry, LeftOut, Relation, Section, Selected, Selection, SelectionError, TableOfContents,
    Text, TocIndex,
};
use proptest::prelude::*;

const ARCHIVES: [(&str, &[u8]); 3] = [
    ("pg_dump 15", include_bytes!("data/1.14-many-kinds.toc")),
    ("pg_dump 16", include_bytes!("data/1.15-many-kinds.toc")),
    ("pg_dump 18", include_bytes!("data/1.16-many-kinds.toc")),
];

fn archives() -> impl Iterator<Item = (&'static str, TableOfContents)> {
    ARCHIVES.into_iter().map(|(name, mut bytes)| (name, TableOfContents::read(&mut bytes).unwrap()))
}

fn relation(schema: &str, name: &str) -> Relation {
    Relation { schema: Some(schema.into()), name: name.into() }
}

fn only(schemas: &[&str], relations: &[(&str, &str)]) -> Selection {
    Selection::Only {
        schemas: schemas.iter().map(|name| Text::from(*name)).collect(),
        relations: relations.iter().map(|(schema, name)| relation(schema, name)).collect(),
    }
}

/// `KIND schema.tag` of what is kept, without settings.
fn kept(toc: &TableOfContents, selected: &Selected) -> BTreeSet<String> {
    let mut rest = toc.clone();
    selected.apply(&mut rest);
    let is_setting = |entry: &Entry| entry.desc.is_session_setting() || entry.desc == "DATABASE";
    rest.entries
        .iter()
        .filter(|entry| !is_setting(entry))
        .map(|entry| format!("{} {}", entry.desc, entry.relation()))
        .collect()
}

fn left_out(selected: &Selected) -> Vec<String> {
    selected.left_out.iter().map(|LeftOut { what, why, .. }| format!("{what}: {why}")).collect()
}

fn assert_kept(version: &str, toc: &TableOfContents, selected: &Selected, expected: &str) {
    let expected: BTreeSet<String> = expected.lines().map(|line| line.trim().to_owned()).collect();
    let kept = kept(toc, selected);
    let missing: Vec<_> = expected.difference(&kept).collect();
    let surplus: Vec<_> = kept.difference(&expected).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{version}: missing {missing:#?}, surplus {surplus:#?}"
    );
}

/// A selected table brings all that is on it, and of what it needs the definitions.
#[test]
fn a_table_comes_whole_and_what_it_needs_as_definitions() {
    for (version, toc) in archives() {
        let selected = only(&[], &[("shop", "orders")]).select(&toc, Content::Everything).unwrap();
        assert_kept(
            version,
            &toc,
            &selected,
            "SCHEMA shop
             COMMENT SCHEMA shop
             ACL SCHEMA shop
             TABLE shop.orders
             ACL shop.TABLE orders
             SEQUENCE shop.alone
             SEQUENCE SET shop.alone
             SEQUENCE shop.orders_id_seq
             SEQUENCE OWNED BY shop.orders_id_seq
             COMMENT shop.SEQUENCE orders_id_seq
             ACL shop.SEQUENCE orders_id_seq
             SEQUENCE SET shop.orders_id_seq
             DEFAULT shop.orders id
             TABLE DATA shop.orders
             CONSTRAINT shop.orders orders_pkey
             CONSTRAINT shop.orders orders_amount_excl
             INDEX shop.in_space
             FK CONSTRAINT shop.orders orders_follows_fkey",
        );
        let reason = "it refers to shop.customers, whose rows are not restored";
        assert_eq!(
            left_out(&selected),
            [
                format!("FK CONSTRAINT shop.orders orders_customer_fkey: {reason}"),
                format!("FK CONSTRAINT shop.orders orders_referrer_fkey: {reason}"),
            ],
            "{version}"
        );
    }
}

#[test]
fn everything_on_a_table_comes_with_it() {
    for (version, toc) in archives() {
        let selected = only(&[], &[("shop", "customers")]).select(&toc, Content::Everything).unwrap();
        let kept = kept(&toc, &selected);
        for part in [
            "SEQUENCE shop.customers_id_seq",
            "SEQUENCE SET shop.customers_id_seq",
            "TABLE DATA shop.customers",
            "COMMENT shop.COLUMN customers.name",
            "COMMENT shop.CONSTRAINT short ON customers",
            "ACL shop.COLUMN customers.name",
            "COMMENT shop.CONSTRAINT customers_pkey ON customers",
            "INDEX shop.customers_numbers",
            "COMMENT shop.INDEX customers_lower",
            "STATISTICS shop.customers_stats",
            "COMMENT shop.STATISTICS customers_stats",
            "RULE shop.customers no_deletes",
            "TRIGGER shop.customers touched",
            "COMMENT shop.TRIGGER touched ON customers",
            "ROW SECURITY shop.customers",
            "POLICY shop.customers mine",
            "COMMENT shop.POLICY mine ON customers",
            // What these need.
            "OPERATOR CLASS base.number_ops",
            "OPERATOR FAMILY base.numbers",
            "FUNCTION base.compare(integer, integer)",
            "FUNCTION base.touch()",
            "FUNCTION base.twice(integer)",
            "ACL base.FUNCTION twice(n integer)",
            "DOMAIN base.positive",
            "COMMENT base.CONSTRAINT positive_check ON DOMAIN positive",
            "TYPE base.mood",
            "COLLATION base.plain",
            "SCHEMA base",
            // It has both of its ends.
            "CAST CAST (base.mood AS integer)",
        ] {
            assert!(kept.contains(part), "{version}: no {part}");
        }
        for other in [
            "TABLE shop.orders",
            "TABLE DATA shop.orders",
            "FUNCTION base.watch()",
            "TYPE base.span",
            "RULE shop.grouped _RETURN",
            "FK CONSTRAINT shop.orders orders_customer_fkey",
            "PUBLICATION news",
            "EVENT TRIGGER watcher",
            "ACL pg_catalog.FUNCTION pg_switch_wal()",
        ] {
            assert!(!kept.contains(other), "{version}: {other}");
        }
        assert_eq!(
            left_out(&selected),
            ["PUBLICATION TABLE shop.news customers: it needs PUBLICATION news, which is not restored"],
            "{version}"
        );
    }
}

/// A selected partitioned table brings its partitions with their rows, in whatever schema.
#[test]
fn a_partitioned_table_brings_its_partitions() {
    for (version, toc) in archives() {
        let selected = only(&[], &[("shop", "events"), ("shop", "about_events")])
            .select(&toc, Content::Everything)
            .unwrap();
        let kept = kept(&toc, &selected);
        for part in [
            "TABLE DATA shop.events_1",
            "TABLE DATA apart.events_2_rest",
            "TABLE ATTACH apart.events_2_rest",
            "INDEX ATTACH apart.events_2_rest_pkey",
            "TRIGGER shop.events each",
            "FK CONSTRAINT shop.about_events about_events_id_at_fkey",
            "SCHEMA apart",
        ] {
            assert!(kept.contains(part), "{version}: no {part}");
        }
        assert!(!kept.contains("TABLE apart.lonely"), "{version}");
        assert_eq!(
            left_out(&selected),
            [
                "FK CONSTRAINT shop.events events_customer_fkey: it refers to shop.customers, whose rows are not restored"
            ],
            "{version}"
        );
    }
}

/// A selected partition brings the tables that it is a partition of, with the indexes that its own
/// are attached to, and no rows but its own.
#[test]
fn a_partition_brings_its_roots_definition() {
    for (version, toc) in archives() {
        let selected = only(&[], &[("apart", "events_2_rest")]).select(&toc, Content::Everything).unwrap();
        assert_kept(
            version,
            &toc,
            &selected,
            "SCHEMA shop
             COMMENT SCHEMA shop
             ACL SCHEMA shop
             SCHEMA apart
             TABLE shop.events
             ACL shop.TABLE events
             TABLE apart.events_2
             TABLE apart.events_2_rest
             TABLE ATTACH apart.events_2
             TABLE ATTACH apart.events_2_rest
             TABLE DATA apart.events_2_rest
             CONSTRAINT shop.events events_pkey
             CONSTRAINT apart.events_2 events_2_pkey
             CONSTRAINT apart.events_2_rest events_2_rest_pkey
             INDEX shop.events_at
             INDEX apart.events_2_at_idx
             INDEX apart.events_2_rest_at_idx
             INDEX ATTACH apart.events_2_at_idx
             INDEX ATTACH apart.events_2_pkey
             INDEX ATTACH apart.events_2_rest_at_idx
             INDEX ATTACH apart.events_2_rest_pkey",
        );
        assert!(selected.left_out.is_empty(), "{version}: {:?}", left_out(&selected));
    }
}

/// Rows that go through the root need every partition there to be routed to.
#[test]
fn rows_loaded_through_the_root_have_all_partitions() {
    for (version, toc) in archives() {
        let selected = only(&[], &[("shop", "moods_0")]).select(&toc, Content::Everything).unwrap();
        let kept = kept(&toc, &selected);
        assert!(
            kept.contains("TABLE shop.moods_1") && kept.contains("TABLE ATTACH shop.moods_1"),
            "{version}"
        );
        assert!(
            kept.contains("TABLE DATA shop.moods_0") && !kept.contains("TABLE DATA shop.moods_1"),
            "{version}"
        );
    }
}

#[test]
fn a_schema_brings_everything_in_it() {
    for (version, toc) in archives() {
        let selected = only(&["apart"], &[]).select(&toc, Content::Everything).unwrap();
        let kept = kept(&toc, &selected);
        for part in [
            "TABLE DATA apart.lonely",
            "TABLE DATA apart.spaced",
            "VIEW apart.richer",
            "VIEW shop.rich",
            "DEFAULT shop.rich name",
            "TABLE shop.customers",
            "SEQUENCE shop.customers_id_seq",
            "MATERIALIZED VIEW apart.grand",
            "MATERIALIZED VIEW shop.totals",
            "TABLE DATA apart.events_2_rest",
        ] {
            assert!(kept.contains(part), "{version}: no {part}");
        }
        for other in ["TABLE DATA shop.customers", "SEQUENCE SET shop.customers_id_seq", "DEFAULT ACL shop.x"]
        {
            assert!(!kept.contains(other), "{version}: {other}");
        }
        let publication = "PUBLICATION TABLES IN SCHEMA apart.whole apart";
        assert_eq!(
            left_out(&selected),
            [
                format!("{publication}: it needs PUBLICATION whole, which is not restored"),
                "MATERIALIZED VIEW DATA apart.grand: it is computed from shop.totals, whose rows are not restored"
                    .to_owned(),
            ],
            "{version}"
        );

        let selected = only(&["shop"], &[]).select(&toc, Content::Everything).unwrap();
        for schema in ["Sch ema", "apart", "shop"] {
            let acl = toc
                .entries
                .iter()
                .find(|entry| entry.desc == "DEFAULT ACL" && entry.namespace == Some(schema.into()));
            assert_eq!(
                acl.is_some_and(|acl| selected.kept.contains(&acl.dump_id)),
                schema == "shop",
                "{version}"
            );
        }
        let kept = self::kept(&toc, &selected);
        for part in [
            "MATERIALIZED VIEW DATA shop.totals",
            "RULE shop.grouped _RETURN",
            "FOREIGN TABLE shop.far",
            "SERVER ser ver",
            "USER MAPPING USER MAPPING reader SERVER ser ver",
            "TRIGGER shop.rich instead",
            "FUNCTION shop.first_customer()",
        ] {
            assert!(kept.contains(part), "{version}: no {part}");
        }
    }
}

#[test]
fn a_view_waits_for_the_key_it_relies_on() {
    for (version, toc) in archives() {
        let selected = only(&[], &[("shop", "grouped")]).select(&toc, Content::Everything).unwrap();
        let kept = kept(&toc, &selected);
        for part in
            ["RULE shop.grouped _RETURN", "TABLE shop.customers", "CONSTRAINT shop.customers customers_pkey"]
        {
            assert!(kept.contains(part), "{version}: no {part}");
        }
        assert!(!kept.contains("TABLE DATA shop.customers"), "{version}");
    }
}

#[test]
fn content_parts_definitions_from_data() {
    for (version, toc) in archives() {
        let ids = |content| Selection::Everything.select(&toc, content).unwrap().kept;
        let all: BTreeSet<DumpId> = toc.entries.iter().map(|entry| entry.dump_id).collect();
        assert_eq!(ids(Content::Everything).into_iter().collect::<BTreeSet<_>>(), all);
        let (schema, data) = (ids(Content::SchemaOnly), ids(Content::DataOnly));
        for entry in &toc.entries {
            let is_setting = entry.desc.is_session_setting() || entry.desc == "DATABASE";
            let (in_schema, in_data) = (schema.contains(&entry.dump_id), data.contains(&entry.dump_id));
            assert!(in_schema != in_data || is_setting, "{version}: {} {}", entry.desc, entry.tag);
            assert!(!is_setting || (in_schema && in_data), "{version}: {}", entry.desc);
            assert!(entry.section != Section::Data || in_data, "{version}: {} {}", entry.desc, entry.tag);
        }

        // Without rows a foreign key holds wherever the table is there.
        let tables = only(&[], &[("shop", "orders"), ("shop", "grouped")]);
        let selected = tables.select(&toc, Content::SchemaOnly).unwrap();
        assert!(selected.left_out.is_empty(), "{version}: {:?}", left_out(&selected));
        assert!(
            kept(&toc, &selected).contains("FK CONSTRAINT shop.orders orders_customer_fkey"),
            "{version}"
        );
        assert_kept(
            version,
            &toc,
            &tables.select(&toc, Content::DataOnly).unwrap(),
            "SEQUENCE SET shop.alone
             SEQUENCE SET shop.orders_id_seq
             TABLE DATA shop.orders",
        );
    }
}

#[test]
fn names_that_match_nothing_are_all_told() {
    let (_, toc) = archives().next().unwrap();
    let selection =
        only(&["apart", "nowhere"], &[("shop", "orders"), ("shop", "Orders"), ("apart", "orders")]);
    let error = selection.select(&toc, Content::Everything).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the archive does not have schema nowhere, relation apart.orders, relation shop.Orders"
    );
    assert!(matches!(error, SelectionError::NoSuchObjects { .. }));
}

/// Whether a dependency must be kept for the entry to be restored.
fn is_needed(needed: &Entry) -> bool {
    ["TABLE DATA", "MATERIALIZED VIEW DATA", "TABLE ATTACH", "INDEX ATTACH", "BLOB METADATA"]
        .iter()
        .all(|kind| needed.desc != *kind)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is selected, all that it depends on comes along, and selecting from that changes
    /// nothing.
    #[test]
    fn selections_are_closed_and_repeatable(archive in 0..ARCHIVES.len(), picks in prop::collection::vec(any::<prop::sample::Index>(), 1..5)) {
        let (_, mut bytes) = ARCHIVES[archive];
        let toc = TableOfContents::read(&mut bytes).unwrap();
        let tables: Vec<_> = toc.entries.iter().filter(|entry| entry.desc.is_relation()).collect();
        let relations = picks.iter().map(|pick| pick.get(&tables).relation()).collect();
        let selection = Selection::Only { schemas: BTreeSet::new(), relations };
        let selected = selection.select(&toc, Content::Everything).unwrap();
        let index = TocIndex::new(&toc).unwrap();
        for id in &selected.kept {
            let entry = index.entry(*id).unwrap();
            for needed in index.dependencies(entry).filter(|needed| is_needed(needed)) {
                prop_assert!(
                    selected.kept.contains(&needed.dump_id),
                    "{} {} without {} {}", entry.desc, entry.tag, needed.desc, needed.tag
                );
            }
        }
        let mut part = toc.clone();
        selected.apply(&mut part);
        let again = selection.select(&part, Content::Everything).unwrap();
        prop_assert_eq!(&again.kept, &selected.kept);
        prop_assert!(again.left_out.is_empty());
    }
}

/// 20,000 tables with key, index, sequence and data: each step looks at each entry a few times.
#[test]
fn many_tables_are_no_trouble() {
    const TABLES: i32 = 20_000;
    let (_, mut toc) = archives().next().unwrap();
    let mut settings: BTreeMap<bool, Vec<Entry>> = BTreeMap::new();
    for entry in toc.entries.drain(..) {
        settings.entry(entry.desc.is_session_setting()).or_default().push(entry);
    }
    toc.entries = settings.remove(&true).unwrap();
    let id = |number: i32| DumpId::new(10_000 + number).unwrap();
    let add =
        |toc: &mut TableOfContents, number, section, desc: &str, tag: String, defn: &str, needs: &[i32]| {
            let mut entry = Entry::new(id(number), section, desc, tag, defn);
            entry.namespace = (desc != "SCHEMA").then(|| "s".into());
            entry.dependencies = needs.iter().map(|need| id(*need)).collect();
            toc.entries.push(entry);
        };
    add(&mut toc, 0, Section::PreData, "SCHEMA", "s".to_owned(), "CREATE SCHEMA s;", &[]);
    for table in 1..=TABLES {
        add(&mut toc, table, Section::PreData, "TABLE", format!("t{table}"), "CREATE TABLE s.t ();", &[0]);
    }
    for (kind, (section, desc)) in (1_i32..).zip([
        (Section::PreData, "SEQUENCE"),
        (Section::Data, "TABLE DATA"),
        (Section::PostData, "CONSTRAINT"),
        (Section::PostData, "INDEX"),
        (Section::PostData, "FK CONSTRAINT"),
    ]) {
        for table in 1..=TABLES {
            let next = table % TABLES + 1;
            let needs =
                if desc == "FK CONSTRAINT" { vec![table, next, 3 * TABLES + next] } else { vec![table] };
            let defn = format!("ALTER TABLE ONLY s.t{table} ADD CONSTRAINT c REFERENCES s.t{next}(id);");
            let tag = if desc == "TABLE DATA" { format!("t{table}") } else { format!("t{table} x{kind}") };
            add(&mut toc, kind * TABLES + table, section, desc, tag, &defn, &needs);
        }
    }
    let started = std::time::Instant::now();
    let whole = only(&["s"], &[]).select(&toc, Content::Everything).unwrap();
    assert_eq!(whole.kept.len(), toc.entries.len());
    let one = only(&[], &[("s", "t17")]).select(&toc, Content::Everything).unwrap();
    assert_eq!((one.kept.len(), one.left_out.len()), (3 + 1 + 5, 1));
    let index = TocIndex::new(&toc).unwrap();
    let levels = index.units().unwrap();
    let units: Vec<_> = levels.iter().map(|level| level.units.len()).collect();
    assert_eq!(units, [20_000, 20_000, 1], "indexes, keys, and a circle of foreign keys");
    assert_eq!(toc.roles().unwrap().len(), 0);
    // Unoptimized and with others on the machine; anything quadratic takes many minutes.
    assert!(started.elapsed().as_secs() < 90, "{:?}", started.elapsed());
}
