use super::Value;

/// A statement that depends on what is asked for. Only what is asked for stands in it: what might be none would keep the
/// indexes from being used.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    sql: String,
    args: Vec<Value<'a>>,
}

// === impl Statement ===

impl<'a> Statement<'a> {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), args: Vec::new() }
    }

    /// Adds text that stands in the program, never anything that was sent.
    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds the name of a table, in quotes.
    pub(crate) fn push_name(&mut self, name: &str) -> &mut Self {
        self.sql.push('"');
        self.sql.push_str(&name.replace('"', "\"\""));
        self.sql.push('"');
        self
    }

    /// Adds text and behind it a place for `value`.
    pub(crate) fn bind(&mut self, sql: &'static str, value: impl Into<Value<'a>>) -> &mut Self {
        self.args.push(value.into());
        self.sql.push_str(sql);
        self.sql.push('$');
        self.sql.push_str(&self.args.len().to_string());
        self
    }

    /// Adds text and behind it a place for `value`, if there is one.
    pub(crate) fn bind_some<T: Into<Value<'a>>>(&mut self, sql: &'static str, value: Option<T>) -> &mut Self {
        if let Some(value) = value {
            self.bind(sql, value);
        }
        self
    }

    /// Adds another statement to one that has no values yet.
    #[cfg(test)]
    pub(crate) fn append(&mut self, other: Self) {
        assert!(self.args.is_empty(), "the places of the other would have to be counted anew");
        self.sql.push_str(&other.sql);
        self.args = other.args;
    }

    /// The text and its values.
    pub(crate) fn parts(&self) -> (String, &[Value<'a>]) {
        (self.sql.clone(), &self.args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted() {
        let mut statement = Statement::new("SELECT * FROM t WHERE TRUE");
        statement.bind_some(" AND a = ", Some("x")).bind_some(" AND b = ", None::<i64>).bind(" LIMIT ", 5_u32);
        let (sql, args) = statement.parts();
        assert_eq!(sql, "SELECT * FROM t WHERE TRUE AND a = $1 LIMIT $2");
        assert_eq!(args, [Value::from("x"), Value::from(5_u32)]);
    }
}
