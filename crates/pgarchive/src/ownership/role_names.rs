//! Where the statements of an entry name roles.
//!
//! The statements are pg_dump's own, so their forms are few:
//!
//! - `GRANT privileges ON object TO role [WITH GRANT OPTION];`, `REVOKE ... FROM role;`
//! - `SET SESSION AUTHORIZATION role;` around the grants of another grantor, then `RESET ...;`
//! - `ALTER DEFAULT PRIVILEGES FOR ROLE role [IN SCHEMA schema] GRANT ...;`
//! - `CREATE POLICY name ON table ... [TO role, ...] [USING ...] [WITH CHECK ...];`
//! - `CREATE USER MAPPING FOR role SERVER server ...;`
//! - `ALTER ROLE role IN DATABASE database SET ...;`

use std::iter::Peekable;
use std::ops::Range;

use crate::entry::Entry;
use crate::ownership::{OwnershipError, RoleUse};
use crate::text::Text;
use crate::tokens::{Kind, Token, Tokens};

/// A role's name in an entry's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleName {
    /// The name, without quotes.
    pub(crate) name: Text,
    /// Its bytes in the definition, quotes included.
    pub(crate) range: Range<usize>,
    /// What it is named for.
    pub(crate) role_use: RoleUse,
}

/// The roles that the definition names, in its order. `PUBLIC` and the like are none.
pub(crate) fn role_names(entry: &Entry) -> Result<Vec<RoleName>, OwnershipError> {
    let role_use = if entry.desc.is_any(&["ACL", "ACL LANGUAGE"]) {
        RoleUse::Grant
    } else if entry.desc == "DEFAULT ACL" {
        RoleUse::DefaultPrivileges
    } else if entry.desc == "POLICY" {
        RoleUse::Policy
    } else if entry.desc == "USER MAPPING" {
        RoleUse::UserMapping
    } else if entry.desc == "DATABASE PROPERTIES" {
        RoleUse::DatabaseSetting
    } else {
        return Ok(Vec::new());
    };
    let Some(defn) = &entry.defn else { return Ok(Vec::new()) };
    let mut reader =
        Reader { entry, tokens: Tokens::of(defn), end: defn.as_bytes().len(), role_use, found: Vec::new() };
    while reader.tokens.peek().is_some() {
        reader.statement()?;
    }
    Ok(reader.found)
}

/// The role in `DROP USER MAPPING IF EXISTS FOR role SERVER server;`, the only statement of the kind
/// that names one.
pub(crate) fn drop_statement_role(entry: &Entry, drop: &Text) -> Option<(Text, Range<usize>)> {
    if entry.desc != "USER MAPPING" {
        return None;
    }
    let mut tokens = Tokens::of(drop).skip_while(|token| !token.is_word("FOR"));
    tokens.next()?;
    let role = tokens.next().filter(|role| !is_pseudo_role(role))?;
    Some((role.name()?, role.range))
}

struct Reader<'e> {
    entry: &'e Entry,
    tokens: Peekable<Tokens<'e>>,
    end: usize,
    role_use: RoleUse,
    found: Vec<RoleName>,
}

impl<'e> Reader<'e> {
    fn statement(&mut self) -> Result<(), OwnershipError> {
        let verb = self.next("a statement")?;
        if verb.is_symbol(b';') {
            return Ok(());
        }
        match self.role_use {
            RoleUse::Grant if verb.is_word("SET") => self.session_authorization()?,
            // `RESET SESSION AUTHORIZATION`, and `SELECT ...` of pg_upgrade.
            RoleUse::Grant if verb.is_word("RESET") || verb.is_word("SELECT") => {}
            RoleUse::Grant => self.grant(&verb)?,
            RoleUse::DefaultPrivileges => self.default_privileges(&verb)?,
            RoleUse::Policy => self.policy()?,
            RoleUse::UserMapping => {
                self.expect_later("FOR")?;
                self.role()?;
            }
            RoleUse::DatabaseSetting if verb.is_word("ALTER") => {
                if self.tokens.next_if(|next| next.is_word("ROLE")).is_some() {
                    self.role()?;
                }
            }
            RoleUse::DatabaseSetting | RoleUse::Owner => {}
        }
        self.rest_of_statement()
    }

    fn session_authorization(&mut self) -> Result<(), OwnershipError> {
        self.expect("SESSION")?;
        self.expect("AUTHORIZATION")?;
        self.role()
    }

    fn grant(&mut self, verb: &Token<'_>) -> Result<(), OwnershipError> {
        let before_role = if verb.is_word("GRANT") {
            "TO"
        } else if verb.is_word("REVOKE") {
            "FROM"
        } else {
            return Err(self.error("GRANT, REVOKE, SET or RESET", verb.range.start));
        };
        self.expect_later(before_role)?;
        self.roles()
    }

    fn default_privileges(&mut self, verb: &Token<'_>) -> Result<(), OwnershipError> {
        if !verb.is_word("ALTER") {
            return Err(self.error("ALTER DEFAULT PRIVILEGES", verb.range.start));
        }
        self.expect("DEFAULT")?;
        self.expect("PRIVILEGES")?;
        self.expect("FOR")?;
        self.expect("ROLE")?;
        self.role()?;
        loop {
            let token = self.next("GRANT or REVOKE")?;
            if token.is_word("GRANT") || token.is_word("REVOKE") {
                return self.grant(&token);
            }
        }
    }

    /// Without `TO` a policy is for everybody.
    fn policy(&mut self) -> Result<(), OwnershipError> {
        while let Some(token) = self.tokens.next_if(|next| !next.is_symbol(b';') && !next.is_symbol(b'(')) {
            self.check(&token)?;
            if token.is_word("TO") {
                return self.roles();
            }
        }
        Ok(())
    }

    fn roles(&mut self) -> Result<(), OwnershipError> {
        self.role()?;
        while self.tokens.next_if(|next| next.is_symbol(b',')).is_some() {
            self.role()?;
        }
        Ok(())
    }

    fn role(&mut self) -> Result<(), OwnershipError> {
        const EXPECTED: &str = "a role's name";
        self.tokens.next_if(|next| next.is_word("GROUP"));
        let token = self.next(EXPECTED)?;
        let Some(name) = token.name() else { return Err(self.error(EXPECTED, token.range.start)) };
        if !is_pseudo_role(&token) {
            self.found.push(RoleName { name, range: token.range, role_use: self.role_use });
        }
        Ok(())
    }

    fn rest_of_statement(&mut self) -> Result<(), OwnershipError> {
        while let Some(token) = self.tokens.next() {
            self.check(&token)?;
            if token.is_symbol(b';') {
                break;
            }
            if self.role_use == RoleUse::Grant
                && token.is_word("GRANTED")
                && self.tokens.next_if(|next| next.is_word("BY")).is_some()
            {
                self.role()?;
            }
        }
        Ok(())
    }

    fn expect(&mut self, keyword: &'static str) -> Result<(), OwnershipError> {
        let token = self.next(keyword)?;
        if token.is_word(keyword) { Ok(()) } else { Err(self.error(keyword, token.range.start)) }
    }

    /// Takes everything up to the keyword, which must come within the statement and outside of
    /// parentheses: a function's arguments may have any names.
    fn expect_later(&mut self, keyword: &'static str) -> Result<(), OwnershipError> {
        let mut depth = 0_usize;
        loop {
            let token = self.next(keyword)?;
            if token.is_symbol(b'(') {
                depth += 1;
            } else if token.is_symbol(b')') {
                depth = depth.saturating_sub(1);
            } else if token.is_symbol(b';') {
                return Err(self.error(keyword, token.range.start));
            } else if depth == 0 && token.is_word(keyword) {
                return Ok(());
            }
        }
    }

    fn next(&mut self, expected: &'static str) -> Result<Token<'e>, OwnershipError> {
        let Some(token) = self.tokens.next() else { return Err(self.error(expected, self.end)) };
        self.check(&token)?;
        Ok(token)
    }

    fn check(&self, token: &Token<'_>) -> Result<(), OwnershipError> {
        if token.kind == Kind::Unclosed {
            Err(self.error("a closing quote", token.range.start))
        } else {
            Ok(())
        }
    }

    fn error(&self, expected: &'static str, offset: usize) -> OwnershipError {
        let what = format!("{} {}", self.entry.desc, self.entry.tag);
        OwnershipError { dump_id: self.entry.dump_id, what, expected, offset }
    }
}

/// Bare words that stand for whoever it is; a role of such a name would be in quotes.
fn is_pseudo_role(token: &Token<'_>) -> bool {
    ["PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER", "USER"].iter().any(|word| token.is_word(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump_id::DumpId;
    use crate::entry::Section;

    fn names(desc: &str, defn: &str) -> Result<Vec<String>, OwnershipError> {
        let entry = Entry::new(DumpId::new(7).unwrap(), Section::None, desc, "TABLE t", defn);
        Ok(role_names(&entry)?.into_iter().map(|role| role.name.to_string()).collect())
    }

    #[test]
    fn roles_are_found_in_every_form() {
        for (desc, defn, expected) in [
            (
                "ACL",
                r#"GRANT SELECT,INSERT("FROM") ON TABLE s."a TO b" TO reader WITH GRANT OPTION;"#,
                vec!["reader"],
            ),
            ("ACL", "REVOKE ALL ON TABLE s.t FROM PUBLIC;\nGRANT ALL ON TABLE s.t TO PUBLIC;\n", vec![]),
            ("ACL", r#"REVOKE GRANT OPTION FOR ALL ON FUNCTION s.f("to" integer) FROM "x;y";"#, vec!["x;y"]),
            (
                "ACL",
                "SET SESSION AUTHORIZATION \"A\"\"b\";\nGRANT INSERT ON TABLE t TO c GRANTED BY d;\nRESET SESSION AUTHORIZATION;\n",
                vec!["A\"b", "c", "d"],
            ),
            (
                "DEFAULT ACL",
                "ALTER DEFAULT PRIVILEGES FOR ROLE o IN SCHEMA \"GRANT\" REVOKE ALL ON TABLES FROM o;\n\
                 ALTER DEFAULT PRIVILEGES FOR ROLE o IN SCHEMA s GRANT SELECT ON TABLES TO \"public\";",
                vec!["o", "o", "o", "public"],
            ),
            (
                "POLICY",
                "CREATE POLICY p ON s.t FOR SELECT TO a, \"b c\" USING ((x = 'TO z'::text));",
                vec!["a", "b c"],
            ),
            ("POLICY", "CREATE POLICY p ON s.t USING ((a AND b)) WITH CHECK (true);", vec![]),
            ("USER MAPPING", "CREATE USER MAPPING FOR public SERVER s;", vec![]),
            (
                "USER MAPPING",
                "CREATE USER MAPPING FOR r SERVER \"FOR\" OPTIONS (\n    password 'FOR x'\n);",
                vec!["r"],
            ),
            (
                "DATABASE PROPERTIES",
                "ALTER DATABASE d SET x TO 'y';\nALTER ROLE r IN DATABASE d SET x TO 'z';",
                vec!["r"],
            ),
            ("TABLE", "CREATE TABLE t ();", vec![]),
        ] {
            assert_eq!(names(desc, defn).unwrap(), expected, "{defn}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_place() {
        for (desc, defn, message) in [
            ("ACL", "DENY x TO y;", "expected GRANT, REVOKE, SET or RESET at byte 0"),
            ("ACL", "GRANT ALL ON t; GRANT", "expected TO at byte 14"),
            ("ACL", "GRANT ALL ON t TO \"a", "expected a closing quote at byte 18"),
            ("ACL", "GRANT ALL ON t TO 'a';", "expected a role's name at byte 18"),
            ("DEFAULT ACL", "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT", "expected FOR at byte 25"),
        ] {
            let error = names(desc, defn).unwrap_err().to_string();
            assert_eq!(error, format!("{message} of the statements of entry 7, {desc} TABLE t"));
        }
    }
}
