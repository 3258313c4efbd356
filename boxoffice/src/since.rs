//! Since when: as people type it.

use boxoffice_turn::postgres::PgStore;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This moment.
    At(OffsetDateTime),
    /// So long before now.
    Ago(Duration),
}

impl Since {
    /// From what somebody typed.
    ///
    /// # Errors
    /// How it is to be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(at));
        }
        let unusable = || "write a time as 2026-11-01T00:00:00Z, or 30m, 12h, 7d".to_owned();
        let unit = text.chars().last().ok_or_else(unusable)?;
        let count = text.strip_suffix(unit).unwrap_or_default();
        let count: u32 = count.parse().map_err(|_| unusable())?;
        let minutes = match unit {
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            _ => return Err(unusable()),
        };
        Ok(Self::Ago(Duration::minutes(i64::from(count) * minutes)))
    }

    /// The moment, by the database's clock. None: before any time that there is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn at(self, store: &PgStore) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        match self {
            Self::At(at) => Ok(Some(at)),
            Self::Ago(long) => {
                let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
                    .fetch_one(store.pool())
                    .await?;
                Ok(now.checked_sub(long))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_so_long_ago() {
        assert_eq!(Since::parse("90m"), Ok(Since::Ago(Duration::minutes(90))));
        assert_eq!(Since::parse("12h"), Ok(Since::Ago(Duration::hours(12))));
        assert_eq!(Since::parse("7d"), Ok(Since::Ago(Duration::days(7))));
        assert_eq!(
            Since::parse("1970-01-01T00:00:00Z"),
            Ok(Since::At(OffsetDateTime::UNIX_EPOCH))
        );
        for nonsense in ["", "7", "d", "-1d", "7w", "7é", "yesterday"] {
            assert!(Since::parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
