//! Bookings that were there before: copies of a show that was really sold, row by row in every table, under other ids, other
//! users and earlier times. So they have what a real booking leaves, and the evaluation of all promises says whether it is so.

use anyhow::{Context as _, ensure};
use boxoffice_saga::identity::ShowId;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::rig::Rig;

/// Copies of one show.
pub struct Twins {
    show: ShowId,
    /// Bookings in each.
    each: usize,
    /// Copies that there are.
    made: usize,
    /// Copies that there will be at most.
    most: usize,
}

/// Shows that are copied at a time.
const AT_A_TIME: usize = 20;

/// Of each copy: its show, and how much earlier everything in it was. The newest is two days old, and a day has six of them.
const SHOWS: &str = "insert into twin_shows
    select (select max(show_id) from shows) + nth - $from + 1, make_interval(days => 2, hours => 4 * ($most - nth))
    from generate_series($from, $upto) as nth";

/// Of each booking of a copy: what stands in the place of what. Its id has the time and the show in it, as every id has.
const BOOKINGS: &str = "insert into twins
    select s.show, s.earlier, b.booking_id,
           (lpad(to_hex(('x' || left(hex, 12))::bit(48)::bigint - (extract(epoch from s.earlier) * 1000)::bigint), 12, '0')
            || '8' || lpad(to_hex(s.show >> 28), 3, '0')
            || to_hex((1::bigint << 63) | ((s.show & 268435455) << 34)
                      | (('x' || right(hex, 16))::bit(64)::bigint & 17179869183)))::uuid,
           p.payment_id, md5(p.payment_id::text || '-' || s.show)::uuid, b.user_id, p.gateway_payment_id, '-' || s.show
    from twin_shows s cross join was_bookings b join was_payments p using (booking_id)
    cross join lateral (select replace(b.booking_id::text, '-', '') as hex)";

/// A table, and how the show's rows of it are copied.
struct Table {
    name: &'static str,
    /// Which of its rows are the show's.
    rows: &'static str,
    /// What is put (`w`) into each of them (`t`).
    with: &'static str,
    /// The columns for which the rules of [`Table::column`] are not enough.
    columns: &'static [(&'static str, &'static str)],
}

const IN_SHOW: &str = "t.show_id = $show";
const IN_BOOKING: &str = "t.booking_id in (select booking_id from bookings where show_id = $show)";
const EACH_SHOW: &str = "cross join twin_shows w";
const EACH_BOOKING: &str = "join twins w on w.booking_was = t.booking_id";

/// A table whose rows need no more than other ids and times.
const fn plain(name: &'static str, rows: &'static str, with: &'static str) -> Table {
    Table {
        name,
        rows,
        with,
        columns: &[],
    }
}

const TABLES: [Table; 14] = [
    Table {
        name: "shows",
        rows: IN_SHOW,
        with: EACH_SHOW,
        columns: &[("external_ref", "null")],
    },
    plain("seat_plans", IN_SHOW, EACH_SHOW),
    plain(
        "show_seats",
        IN_SHOW,
        "cross join twin_shows s left join twins b on b.show = s.show and b.booking_was = t.booking_id
         cross join lateral (select s.show, s.earlier, b.booking) as w",
    ),
    plain("bookings", IN_SHOW, EACH_BOOKING),
    Table {
        name: "payments",
        rows: IN_SHOW,
        with: EACH_BOOKING,
        columns: &[("gateway_payment_id", "t.gateway_payment_id || w.suffix")],
    },
    plain("hold_slots", IN_SHOW, EACH_BOOKING),
    plain("ledger", IN_SHOW, EACH_BOOKING),
    Table {
        name: "journal",
        rows: IN_SHOW,
        with: "join twins w on w.booking_was = t.booking_id order by t.entry",
        columns: &[
            (
                "input",
                r#"replace(replace(replace(t.input, w.gateway_was, w.gateway_was || w.suffix),
                                   t.booking_id::text, w.booking::text),
                           '"' || w.user_was || '"', '"' || w.user_was || w.suffix || '"')"#,
            ),
            ("event_id", "t.event_id || w.suffix"),
        ],
    },
    Table {
        name: "inbox",
        rows: "t.event_id in (select event_id from journal where show_id = $show)",
        with: "join was_journal j on j.event_id = t.event_id join twins w on w.booking_was = j.booking_id",
        columns: &[("event_id", "t.event_id || w.suffix")],
    },
    Table {
        name: "attempts",
        rows: IN_BOOKING,
        with: EACH_BOOKING,
        columns: &[("subject", "md5(t.subject::text || w.suffix)::uuid")],
    },
    Table {
        name: "deliveries",
        rows: IN_SHOW,
        with: EACH_BOOKING,
        columns: &[(
            "message_id",
            "replace(replace(t.message_id, t.booking_id::text, w.booking::text), w.payment_was::text, w.payment::text)",
        )],
    },
    plain("analytics_bookings", IN_BOOKING, EACH_BOOKING),
    plain("analytics_shows_daily", IN_SHOW, EACH_SHOW),
    plain("analytics_money_daily", IN_SHOW, EACH_SHOW),
];

/// What a system that has run for long has done with all of these. Their events were published, and the outbox's tables
/// emptied since; the running check has come by.
const SETTLED: [&str; 4] = [
    "select setval('outbox_position', ((last_value >> 20) + 1) << 20) from outbox_position",
    "update running_check set marked_xact = null, (journal_entry, ledger_entry, marked_journal, marked_ledger) =
         (select j.last_value, l.last_value, j.last_value, l.last_value from journal_entry_seq j, ledger_entry_seq l)",
    "delete from running_sums",
    "insert into running_sums
     select currency, account, sum(minor)
     from (select currency, to_account as account, amount_minor as minor from ledger
           union all select currency, from_account, -amount_minor from ledger) as moved
     group by 1, 2",
];

impl Table {
    /// The statement that copies its rows. A column that is not named in [`TABLES`] is copied by its name and type, so that one
    /// that is added later needs nothing here.
    async fn copy(&self, db: &mut PgConnection) -> anyhow::Result<String> {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "select column_name::text, data_type::text from information_schema.columns
             where table_schema = 'public' and table_name = $1 and is_identity = 'NO' and data_type <> 'xid8'
             order by ordinal_position",
        )
        .bind(self.name)
        .fetch_all(db)
        .await?;
        ensure!(!columns.is_empty(), "there is no table {}", self.name);
        let values: Vec<String> = columns
            .iter()
            .map(|(name, kind)| self.column(name, kind))
            .collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        Ok(format!(
            "insert into {} ({}) select {} from was_{} t {}",
            self.name,
            names.join(", "),
            values.join(", "),
            self.name,
            self.with
        ))
    }

    /// What a column of a copied row is.
    fn column(&self, name: &str, kind: &str) -> String {
        if let Some((_, value)) = self.columns.iter().find(|(column, _)| *column == name) {
            return (*value).to_owned();
        }
        match (name, kind) {
            ("show_id", _) => "w.show".to_owned(),
            ("booking_id", _) => "w.booking".to_owned(),
            ("payment_id", _) => "w.payment".to_owned(),
            ("user_id", _) => "t.user_id || w.suffix".to_owned(),
            (_, "timestamp with time zone") => format!("t.{name} - w.earlier"),
            (_, "date") => format!("(t.{name} - w.earlier)::date"),
            _ => format!("t.{name}"),
        }
    }
}

impl Twins {
    /// None yet of a show with so many bookings; there will be at most so many bookings in all.
    pub const fn of(show: ShowId, each: usize, most: usize) -> Self {
        Self {
            show,
            each,
            made: 0,
            most: most.div_ceil(each) - 1,
        }
    }

    /// Copies until so many bookings are there, the first show's among them. No role may be running.
    ///
    /// # Errors
    /// When the database refuses a row.
    pub async fn grow(&mut self, rig: &Rig, bookings: usize) -> anyhow::Result<()> {
        let mut db = PgConnection::connect(&rig.stage.target.database).await?;
        sqlx::raw_sql(
            "set synchronous_commit = off; set work_mem = '256MB';
             create temp table twin_shows (show bigint, earlier interval);
             create temp table twins (show bigint, earlier interval, booking_was uuid, booking uuid,
                                      payment_was uuid, payment uuid, user_was text, gateway_was text, suffix text)",
        )
        .execute(&mut db)
        .await?;
        // Apart, so that the tables are not looked through for every copy.
        for Table { name, rows, .. } in &TABLES {
            let rows = rows.replace("$show", &self.show.to_string());
            let apart =
                format!("create temp table was_{name} as select * from {name} t where {rows}");
            sqlx::raw_sql(AssertSqlSafe(apart)).execute(&mut db).await?;
        }
        let mut copies = vec![SHOWS.to_owned(), BOOKINGS.to_owned()];
        for table in &TABLES {
            copies.push(table.copy(&mut db).await?);
        }
        let wanted = bookings.div_ceil(self.each) - 1;
        while self.made < wanted {
            let upto = wanted.min(self.made + AT_A_TIME);
            sqlx::raw_sql("truncate twin_shows, twins")
                .execute(&mut db)
                .await?;
            for copy in &copies {
                // All of them are numbers of ours.
                let copy = copy
                    .replace("$from", &(self.made + 1).to_string())
                    .replace("$upto", &upto.to_string())
                    .replace("$most", &self.most.to_string());
                sqlx::raw_sql(AssertSqlSafe(copy.as_str()))
                    .execute(&mut db)
                    .await
                    .with_context(|| format!("the rows of a show cannot be copied: {copy}"))?;
            }
            self.made = upto;
        }
        for statement in SETTLED {
            sqlx::query(statement).execute(&mut db).await?;
        }
        for statement in ["vacuum analyze", "checkpoint"] {
            sqlx::query(statement).execute(&mut db).await?;
        }
        Ok(())
    }
}
