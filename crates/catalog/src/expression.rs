//! Expressions of DynamoDB: what a write changes, and what must hold for it. Every name goes through a
//! placeholder, since many of ours (`status`, `name`, `state`) are reserved words.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::record::{number, text};

/// Changes and conditions. All conditions of one alternative must hold.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    sets: Vec<String>,
    adds: Vec<String>,
    removes: Vec<String>,
    /// What must hold: one of these, each the whole of its parts. `AND` binds tighter than `OR`, and DynamoDB
    /// refuses parentheses that it does not need.
    alternatives: Vec<Vec<String>>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Changes nothing, demands nothing.
    pub(crate) fn new() -> Self {
        Self {
            sets: Vec::new(),
            adds: Vec::new(),
            removes: Vec::new(),
            alternatives: vec![Vec::new()],
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }

    /// Gives `path` (names joined by dots) the value.
    pub(crate) fn set(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.sets.push(format!("{path} = {value}"));
        self
    }

    /// Gives `path` the value unless it has one.
    pub(crate) fn set_if_absent(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.sets.push(format!("{path} = if_not_exists({path}, {value})"));
        self
    }

    /// Adds the texts to the set at `path`; none change nothing.
    pub(crate) fn add_to_set(mut self, path: &str, texts: &[String]) -> Self {
        if texts.is_empty() {
            return self;
        }
        let mut texts = texts.to_vec();
        // DynamoDB refuses a set that names a member twice.
        texts.sort_unstable();
        texts.dedup();
        let (path, value) = (self.path(path), self.value(AttributeValue::Ss(texts)));
        self.adds.push(format!("{path} {value}"));
        self
    }

    /// Adds to the number at `path`, which counts as 0 where it is absent.
    pub(crate) fn add(mut self, path: &str, amount: i64) -> Self {
        let (path, value) = (self.path(path), self.value(number(amount)));
        self.adds.push(format!("{path} {value}"));
        self
    }

    /// Takes `path` away.
    pub(crate) fn remove(mut self, path: &str) -> Self {
        let path = self.path(path);
        self.removes.push(path);
        self
    }

    /// Demands that `path` has the value.
    pub(crate) fn only_if(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.demand(&format!("{path} = {value}"))
    }

    /// Demands that `path` has another value, or none.
    pub(crate) fn only_if_not(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.demand(&format!("NOT {path} = {value}"))
    }

    /// Demands that `path` is one of the words.
    pub(crate) fn only_if_one_of<T: ToString>(
        mut self,
        path: &str,
        words: impl IntoIterator<Item = T>,
    ) -> Self {
        let path = self.path(path);
        let words: Vec<String> = words.into_iter().map(|word| self.value(text(word))).collect();
        self.demand(&format!("{path} IN ({})", words.join(", ")))
    }

    /// Demands that the record has `path`; of a key, that there is a record.
    pub(crate) fn only_if_present(mut self, path: &str) -> Self {
        let path = self.path(path);
        self.demand(&format!("attribute_exists({path})"))
    }

    /// Demands that the record lacks `path`; of a key, that there is no record.
    pub(crate) fn only_if_absent(mut self, path: &str) -> Self {
        let path = self.path(path);
        self.demand(&format!("attribute_not_exists({path})"))
    }

    /// Demands that `path` is below the value.
    pub(crate) fn only_if_below(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.demand(&format!("{path} < {value}"))
    }

    /// Demands that `path` is the value or above.
    pub(crate) fn only_if_at_least(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.demand(&format!("{path} >= {value}"))
    }

    /// Demands that `path` is above the value.
    pub(crate) fn only_if_above(mut self, path: &str, value: AttributeValue) -> Self {
        let (path, value) = (self.path(path), self.value(value));
        self.demand(&format!("{path} > {value}"))
    }

    /// Demands either what `self` demands or what `other` demands; the changes are those of both. What is
    /// demanded afterwards is demanded of either.
    pub(crate) fn or(mut self, other: Self) -> Self {
        let other = other.renumbered(self.values.len());
        self.alternatives.extend(other.alternatives);
        self.sets.extend(other.sets);
        self.adds.extend(other.adds);
        self.removes.extend(other.removes);
        self.names.extend(other.names);
        self.values.extend(other.values);
        self
    }

    /// The text of what is changed.
    pub(crate) fn update(&self) -> String {
        let mut clauses = Vec::new();
        if !self.sets.is_empty() {
            clauses.push(format!("SET {}", self.sets.join(", ")));
        }
        if !self.adds.is_empty() {
            clauses.push(format!("ADD {}", self.adds.join(", ")));
        }
        if !self.removes.is_empty() {
            clauses.push(format!("REMOVE {}", self.removes.join(", ")));
        }
        clauses.join(" ")
    }

    /// The text of what must hold, where anything must.
    pub(crate) fn condition(&self) -> Option<String> {
        let alternatives: Vec<String> = self.alternatives.iter().map(|parts| parts.join(" AND ")).collect();
        // An alternative without parts always holds.
        alternatives.iter().all(|parts| !parts.is_empty()).then(|| alternatives.join(" OR "))
    }

    /// Takes away what must hold and returns its text; names and values stay.
    pub(crate) fn take_condition(&mut self) -> Option<String> {
        let condition = self.condition();
        self.alternatives = vec![Vec::new()];
        condition
    }

    /// The names behind the placeholders.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The values behind the placeholders.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn demand(mut self, condition: &str) -> Self {
        for parts in &mut self.alternatives {
            parts.push(condition.to_owned());
        }
        self
    }

    fn path(&mut self, path: &str) -> String {
        let parts: Vec<String> = path.split('.').map(|name| format!("#{name}")).collect();
        for (placeholder, name) in parts.iter().zip(path.split('.')) {
            self.names.insert(placeholder.clone(), name.to_owned());
        }
        parts.join(".")
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}_", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// The same expression with its values counted from `first`.
    fn renumbered(mut self, first: usize) -> Self {
        // From the last to the first, and with an end mark in each placeholder: none is met twice.
        for index in (0..self.values.len()).rev() {
            let (old, new) = (format!(":v{index}_"), format!(":v{}_", index + first));
            let conditions = self.alternatives.iter_mut().flatten();
            for text in self.sets.iter_mut().chain(&mut self.adds).chain(conditions) {
                *text = text.replace(&old, &new);
            }
            if let Some(value) = self.values.remove(&old) {
                self.values.insert(new, value);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_value_stands_behind_a_placeholder() {
        let expression = Expression::new()
            .set("status", text("InProgress"))
            .set("progress.tables_expected", number(3))
            .add_to_set("warnings", &["b".into(), "a".into(), "b".into()])
            .remove("fault")
            .only_if_one_of("status", ["Queued", "InProgress"])
            .only_if_present("pk");
        assert_eq!(
            expression.update(),
            "SET #status = :v0_, #progress.#tables_expected = :v1_ ADD #warnings :v2_ REMOVE #fault"
        );
        assert_eq!(expression.condition().unwrap(), "#status IN (:v3_, :v4_) AND attribute_exists(#pk)");
        assert_eq!(expression.names().unwrap().len(), 6);
        assert_eq!(expression.values().unwrap()[":v2_"], AttributeValue::Ss(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn alternatives_keep_their_values_apart() {
        let either = Expression::new().only_if("a", number(1)).only_if("b", number(2));
        let or = Expression::new().only_if("a", number(3)).only_if("c", number(4)).only_if("d", number(5));
        let expression = either.or(or);
        assert_eq!(
            expression.condition().unwrap(),
            "#a = :v0_ AND #b = :v1_ OR #a = :v2_ AND #c = :v3_ AND #d = :v4_"
        );
        let third = expression.clone().or(Expression::new().only_if_absent("e")).only_if_present("f");
        assert_eq!(
            third.condition().unwrap(),
            "#a = :v0_ AND #b = :v1_ AND attribute_exists(#f) OR #a = :v2_ AND #c = :v3_ AND #d = :v4_ \
             AND attribute_exists(#f) OR attribute_not_exists(#e) AND attribute_exists(#f)"
        );
        let values = expression.values().unwrap();
        for (index, value) in (1..=5).enumerate() {
            assert_eq!(values[&format!(":v{index}_")], number(value));
        }
    }

    #[test]
    fn nothing_demanded_is_no_condition() {
        assert_eq!(Expression::new().condition(), None);
        assert_eq!(Expression::new().add_to_set("warnings", &[]).update(), "");
    }
}
