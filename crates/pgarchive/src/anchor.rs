//! What an entry is a part of: the table of an index, the view of a rule, the root of a partition.
//!
//! pg_dump's dependencies say what must be there first, not which of it is the owner: a default
//! depends on its table and on the sequence it reads, a foreign key on two tables. Where they leave
//! a choice, the statement decides.

use crate::entry::Entry;
use crate::graph::TocIndex;
use crate::identifier::Relation;
use crate::text::Text;
use crate::tokens::{Tokens, skip_past, take_relation};

/// The place of what the entry is a part of, if that is in the archive.
///
/// Of kinds that are no part of anything (tables, functions) the answer means nothing, but for
/// sequences: theirs is the table of the column that owns them.
pub(crate) fn anchor_place(index: &TocIndex<'_>, place: usize) -> Option<usize> {
    let entry = index.at(place);
    let is_sequence = entry.desc == "SEQUENCE";
    let is_candidate = |candidate: &usize| {
        let desc = &index.at(*candidate).desc;
        if is_sequence { desc.is_any(&["TABLE", "FOREIGN TABLE"]) } else { desc.is_relation() }
    };
    let mut candidates: Vec<usize> = index.dependency_places(place).filter(is_candidate).collect();
    candidates.sort_unstable();
    candidates.dedup();
    match candidates[..] {
        [] if is_sequence => None,
        [] => index.dependency_places(place).next(),
        [only] => Some(only),
        [first, ..] => named_place(index, entry).filter(|named| candidates.contains(named)).or(Some(first)),
    }
}

/// The place of the table that a foreign key refers to, and its name; `None` if the statement is
/// not one that pg_dump writes for a foreign key.
pub(crate) fn referenced_relation(entry: &Entry) -> Option<Relation> {
    let mut tokens = Tokens::of(entry.defn.as_ref()?);
    skip_past(&mut tokens, "REFERENCES")
        .then(|| take_relation(&mut tokens))?
        .map(|found| qualified(found, entry))
}

/// The table that the entry makes a partition of another one, and that other one.
pub(crate) fn partition(entry: &Entry) -> Option<(Relation, Relation)> {
    let is_attachment = entry.desc == "TABLE ATTACH";
    if !is_attachment && !entry.desc.is_any(&["TABLE", "FOREIGN TABLE"]) {
        return None;
    }
    let parent = parent_of_partition(entry.defn.as_ref()?)?;
    Some((entry.relation(), qualified(parent, entry)))
}

/// Up to version 13 pg_dump attaches a partition in the table's own entry; version 10 creates it
/// `PARTITION OF` the parent.
fn parent_of_partition(defn: &Text) -> Option<Relation> {
    if !contains(defn, b"PARTITION") {
        return None;
    }
    let mut tokens = Tokens::of(defn);
    let mut altered = None;
    while let Some(token) = tokens.next() {
        if token.is_word("ALTER") && tokens.next_if(|next| next.is_word("TABLE")).is_some() {
            tokens.next_if(|next| next.is_word("ONLY"));
            altered = take_relation(&mut tokens);
        } else if token.is_word("ATTACH") && tokens.next_if(|next| next.is_word("PARTITION")).is_some() {
            return altered;
        } else if token.is_word("PARTITION") && tokens.next_if(|next| next.is_word("OF")).is_some() {
            return take_relation(&mut tokens);
        }
    }
    None
}

fn named_place(index: &TocIndex<'_>, entry: &Entry) -> Option<usize> {
    index.relation_place(&qualified(named_relation(entry)?, entry))
}

/// The relation that the statement is about.
fn named_relation(entry: &Entry) -> Option<Relation> {
    let defn = entry.defn.as_ref()?;
    let mut tokens = Tokens::of(defn);
    let verb = tokens.next()?;
    if verb.is_word("ALTER") {
        // ALTER [FOREIGN] TABLE [ONLY] name
        skip_past(&mut tokens, "TABLE").then_some(())?;
    } else if entry.desc == "STATISTICS" {
        // CREATE STATISTICS name ON columns FROM table
        skip_past(&mut tokens, "FROM").then_some(())?;
    } else if entry.desc == "RULE" && !contains(defn, b"CREATE RULE") {
        // CREATE OR REPLACE VIEW name
        skip_past(&mut tokens, "VIEW").then_some(())?;
    } else if entry.desc == "RULE" {
        // CREATE RULE name AS ON event TO table
        skip_past(&mut tokens, "TO").then_some(())?;
    } else {
        // CREATE INDEX, TRIGGER or POLICY ... ON [ONLY] table
        skip_past(&mut tokens, "ON").then_some(())?;
    }
    tokens.next_if(|next| next.is_word("ONLY"));
    take_relation(&mut tokens)
}

/// Archives of version 1.12 name an entry's neighbours in its schema without it.
fn qualified(mut relation: Relation, entry: &Entry) -> Relation {
    if relation.schema.is_none() {
        relation.schema = entry.relation().schema;
    }
    relation
}

fn contains(text: &Text, needle: &[u8]) -> bool {
    text.as_bytes().windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump_id::DumpId;
    use crate::entry::Section;

    fn entry(desc: &str, defn: &str) -> Entry {
        let mut entry = Entry::new(DumpId::new(1).unwrap(), Section::PostData, desc, "tag", defn);
        entry.namespace = Some("own".into());
        entry
    }

    fn relation(schema: &str, name: &str) -> Relation {
        Relation { schema: Some(schema.into()), name: name.into() }
    }

    #[test]
    fn the_statement_tells_the_table() {
        for (desc, defn) in [
            ("DEFAULT", r#"ALTER TABLE ONLY s."t ON" ALTER COLUMN id SET DEFAULT nextval('s.q'::regclass);"#),
            ("DEFAULT", r#"ALTER FOREIGN TABLE ONLY s."t ON" ALTER COLUMN id SET DEFAULT 1;"#),
            (
                "FK CONSTRAINT",
                "ALTER TABLE ONLY s.\"t ON\"\n    ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES s.u(b);",
            ),
            ("INDEX", r#"CREATE UNIQUE INDEX "x ON" ON ONLY s."t ON" USING btree (f(a)) WHERE (a > 1);"#),
            (
                "TRIGGER",
                r#"CREATE TRIGGER x AFTER UPDATE OF "on" ON s."t ON" FOR EACH ROW EXECUTE FUNCTION s.f();"#,
            ),
            ("POLICY", r#"CREATE POLICY p ON s."t ON" USING (true);"#),
            ("RULE", "CREATE RULE r AS\n    ON DELETE TO s.\"t ON\" DO INSTEAD NOTHING;"),
            ("RULE", "CREATE OR REPLACE VIEW s.\"t ON\" AS\n SELECT 1;"),
            ("STATISTICS", r#"CREATE STATISTICS s.x ON a, (EXTRACT(year FROM b)) FROM s."t ON";"#),
        ] {
            assert_eq!(named_relation(&entry(desc, defn)), Some(relation("s", "t ON")), "{defn}");
        }
    }

    #[test]
    fn partitions_are_found_in_the_statements_of_every_version() {
        for (desc, defn) in [
            ("TABLE ATTACH", "ALTER TABLE ONLY s.root ATTACH PARTITION own.tag DEFAULT;"),
            (
                "TABLE",
                "CREATE TABLE own.tag (\n    id integer\n);\nALTER TABLE ONLY s.root ATTACH PARTITION own.tag DEFAULT;",
            ),
            ("TABLE", "CREATE TABLE own.tag PARTITION OF s.root\nFOR VALUES IN (1);"),
        ] {
            assert_eq!(partition(&entry(desc, defn)), Some((relation("own", "tag"), relation("s", "root"))));
        }
        for defn in ["CREATE TABLE own.tag (a integer)\nPARTITION BY RANGE (a);", "CREATE TABLE own.tag ();"]
        {
            assert_eq!(partition(&entry("TABLE", defn)), None);
        }
    }

    #[test]
    fn a_foreign_key_tells_what_it_refers_to() {
        let key = "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES ";
        for (rest, expected) in [("s.u(b) ON DELETE CASCADE;", ("s", "u")), ("u(b);", ("own", "u"))] {
            let entry = entry("FK CONSTRAINT", &format!("{key}{rest}"));
            assert_eq!(referenced_relation(&entry), Some(relation(expected.0, expected.1)));
        }
    }
}
