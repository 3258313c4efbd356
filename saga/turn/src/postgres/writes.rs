//! Several writes as one statement.

use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Encode, PgConnection, Postgres, Type};

use crate::error::TurnError;

/// Writes to different rows, sent as one statement: one round trip, whatever the number of tables.
///
/// All of them see the rows as they were before the first, so no two may touch the same row.
#[derive(Default)]
pub struct Writes {
    parts: Vec<(&'static str, String)>,
    arguments: PgArguments,
}

/// A write among [`Writes`], checked against the schema when this is compiled as `sqlx::query!` does.
macro_rules! part {
    ($writes:ident as $name:ident, $sql:literal, $($argument:expr),+ $(,)?) => {{
        let _ = || sqlx::query!($sql, $($argument),+);
        let mut part = $writes.part(stringify!($name), $sql);
        $(part.bind($argument)?;)+
    }};
}
pub(super) use part;

impl Writes {
    /// Another write, of which the parameters count from one. The last may read what the others return, by their names,
    /// which are no tables'.
    pub fn part(&mut self, name: &'static str, sql: &str) -> Part<'_> {
        let before = self.arguments.len();
        self.parts.push((name, numbered_from(before, sql)));
        Part(&mut self.arguments)
    }

    /// Sends them, if there are any. Locks are taken in their order, but for those of the last, and of what that reads,
    /// which come first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn send(mut self, db: &mut PgConnection) -> Result<(), TurnError> {
        let Some((_, last)) = self.parts.pop() else {
            return Ok(());
        };
        let mut sql = String::with_capacity(8_192);
        // PostgreSQL completes what stands beside the last one from behind.
        for (name, part) in self.parts.iter().rev() {
            sql += if sql.is_empty() { "with " } else { ", " };
            sql += name;
            sql += " as (";
            sql += part;
            sql.push(')');
        }
        sql.push(' ');
        sql += &last;
        // Made of the literals above, and numbers.
        let statement = sqlx::query_with(AssertSqlSafe(sql), self.arguments);
        statement.execute(db).await?;
        Ok(())
    }
}

/// Takes the parameters of a part.
pub struct Part<'a>(&'a mut PgArguments);

impl Part<'_> {
    /// The next parameter.
    ///
    /// # Errors
    /// [`TurnError::Data`] if it is too large.
    pub fn bind<'q, T>(&mut self, value: T) -> Result<(), TurnError>
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.0
            .add(value)
            .map_err(|error| TurnError::Data(error.to_string()))
    }
}

/// `sql` with its parameters counted from behind the first `before`.
fn numbered_from(before: usize, sql: &str) -> String {
    let mut parts = sql.split('$');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        let number: usize = number.parse().unwrap_or_default();
        numbered += &format!("${}{rest}", before + number);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_on() {
        assert_eq!(numbered_from(0, "a $1 b $2::int[]"), "a $1 b $2::int[]");
        assert_eq!(numbered_from(9, "$1::text[], $12 c"), "$10::text[], $21 c");
    }
}
