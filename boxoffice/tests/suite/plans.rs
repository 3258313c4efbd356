//! How PostgreSQL would run our statements, planned as they are by the sessions that must be quick: once, and often while
//! the tables are empty.

use std::path::Path;
use std::sync::Arc;

use boxoffice_turn::postgres::PgStore;
use serde_json::Value;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use tokio::sync::Notify;

use crate::servers;

/// The text of every statement that is checked when this is compiled.
fn statements() -> Vec<String> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.sqlx");
    let kept = std::fs::read_dir(kept).expect("the statements' metadata");
    let text = |file: std::io::Result<std::fs::DirEntry>| {
        let file = std::fs::read(file.expect("a file").path()).expect("it can be read");
        let query: Value = serde_json::from_slice(&file).expect("JSON");
        query["query"].as_str().expect("a text").to_owned()
    };
    kept.map(text).collect()
}

/// Those that look at everything there is, in sessions of their own ([`PgStore::reading`]): there a hash is right.
fn looks_at_everything(statement: &str) -> bool {
    let sources = ["audit/tables.rs", "audit/events.rs", "replay/mod.rs"];
    sources.iter().any(|source| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(source);
        let source = std::fs::read_to_string(source).expect("it can be read");
        source.contains(statement)
    })
}

async fn run(db: &mut PgConnection, text: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(db).await;
    done.unwrap_or_else(|error| panic!("{error}: {text}"));
}

async fn plan(db: &mut PgConnection, statement: &str) -> String {
    run(&mut *db, &format!("prepare it as {statement}")).await;
    let parameters: i32 = sqlx::query_scalar(
        "select coalesce(cardinality(parameter_types), 0) from pg_prepared_statements where name = 'it'",
    )
    .fetch_one(&mut *db)
    .await
    .expect("it is prepared");
    let parameters = vec!["null"; usize::try_from(parameters).expect("a number")];
    let arguments = match parameters.as_slice() {
        [] => String::new(),
        some => format!("({})", some.join(", ")),
    };
    let explain = format!("explain execute it{arguments}");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_all(&mut *db)
        .await
        .expect("a plan");
    run(db, "deallocate it").await;
    lines.join("\n")
}

/// `exists (select …)` among the columns of a statement may be planned as a hash of the whole other table, and is while that
/// is empty: such a plan stays with its session, and reads more with every booking that was ever made.
#[tokio::test]
async fn no_statement_hashes_a_whole_table_to_look_up_a_row() {
    let url = servers::shared().database().await;
    let store = PgStore::new(url.parse().expect("a URL"), 1, Arc::new(Notify::new()));
    let mut db = store.pool().acquire().await.expect("a session");
    let mut statements = statements();
    // The others, such as `truncate`, have no plan.
    let planned = ["select", "with", "insert", "update", "delete"];
    statements.retain(|text| {
        planned.iter().any(|verb| text.starts_with(verb)) && !looks_at_everything(text)
    });
    assert!(statements.len() > 100, "{}", statements.len());
    let mut hashed = Vec::new();
    for statement in statements {
        let plan = plan(&mut db, &statement).await;
        if plan.contains("hashed SubPlan") {
            hashed.push(format!("{statement}\n{plan}"));
        }
    }
    assert!(hashed.is_empty(), "{}", hashed.join("\n\n"));
}

/// How many rows the parts of a plan looked at, all together.
fn looked_at(plan: &Value) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let rows = [
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Join Filter",
    ];
    let own = rows.map(number).iter().sum::<f64>() * number("Actual Loops");
    let parts = plan["Plans"].as_array();
    own + parts.map_or(0.0, |parts| parts.iter().map(looked_at).sum())
}

/// A session for reading, beside tables that have these rows and are never analysed.
async fn unanalysed(tables: &[&str], rows: &str) -> PoolConnection<Postgres> {
    let url = servers::shared().database().await;
    let options: PgConnectOptions = url.parse().expect("a URL");
    let store = PgStore::new(options.clone(), 1, Arc::default());
    let mut db = store.pool().acquire().await.expect("a session");
    for table in tables {
        run(
            &mut db,
            &format!("alter table {table} set (autovacuum_enabled = off)"),
        )
        .await;
    }
    run(&mut db, rows).await;
    let reading = PgStore::reading(options, 1);
    reading.pool().acquire().await.expect("a session")
}

/// How many rows a statement looks at in this session, and by which plan.
async fn rows_of(db: &mut PgConnection, statement: &str, arguments: &str) -> (f64, Value) {
    run(&mut *db, &format!("prepare it as {statement}")).await;
    let explain = format!("explain (analyze, format json) execute it ({arguments})");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_one(&mut *db)
        .await
        .expect("a plan");
    run(db, "deallocate it").await;
    (looked_at(&plan[0]["Plan"]), plan)
}

/// Reconciliation's look for what has changed, before the first analysis of the tables: that nearly all payments are one
/// account's looks like one row then, and it once led through all refunds for each payment.
#[tokio::test]
async fn a_window_of_reconciliation_compares_no_table_with_a_whole_other() {
    const ROWS: u32 = 1_000;
    let rows = format!(
        "insert into payments (payment_id, booking_id, show_id, gateway, account, gateway_payment_id, standing, verdict,
                               expected_minor, expected_currency, captured_minor, captured_currency, opened_at, decided_at)
         select gen_random_uuid(), gen_random_uuid(), 1, 'stripe', 'default', 'pi_' || n, 'CAPTURED', 'REJECTED',
                100, 'INR', 100, 'INR', now(), now()
         from generate_series(1, {ROWS}) n;
         insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause, standing,
                              generation, requested_at)
         select gen_random_uuid(), payment_id, booking_id, 1, 100, 'INR', 'LATE', 'REQUESTED', 1, now() from payments"
    );
    let mut db = unanalysed(&["payments", "refunds"], &rows).await;
    let mut statements = statements();
    statements.retain(|text| text.contains("r.requested_at >= $3"));
    let [look] = &statements[..] else {
        panic!("{} statements look for what has changed", statements.len())
    };
    let window =
        "'stripe', 'default', now() - interval '1 hour', now() + interval '1 hour', '{60}'";
    let (looked_at, plan) = rows_of(&mut db, look, window).await;
    let rows = f64::from(ROWS);
    assert!(
        (2.0 * rows..20.0 * rows).contains(&looked_at),
        "{looked_at} rows: {plan:#}"
    );
}

/// The promises' look at some bookings, before the first analysis of the tables: 50 bookings once looked like all of them,
/// and each page of the running check went through every payment, ledger entry and journal entry there was.
#[tokio::test]
async fn the_books_of_some_bookings_are_opened_without_reading_those_of_all() {
    const ROWS: u32 = 3_000;
    const ASKED: u32 = 50;
    // Payments have the ids of their bookings here, so that everything can be asked for by the same ones.
    let rows = format!(
        "create table ids as select gen_random_uuid() as id from generate_series(1, {ROWS});
         insert into payments (payment_id, booking_id, show_id, gateway, account, gateway_payment_id, standing, verdict,
                               expected_minor, expected_currency, captured_minor, captured_currency, opened_at, decided_at)
         select id, id, 1, 'stripe', 'default', 'pi_' || id, 'CAPTURED', 'CONFIRMED', 100, 'INR', 100, 'INR', now(), now()
         from ids;
         insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause, standing,
                              generation, requested_at)
         select gen_random_uuid(), id, id, 1, 100, 'INR', 'LATE', 'REQUESTED', 1, now() from ids;
         insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
         select 1, id, id, 'gateway', 'held', 100, 'INR', now() from ids;
         insert into journal (show_id, booking_id, at, input, outcome) select 1, id, now(), '{{}}', '{{}}' from ids"
    );
    let tables = ["payments", "refunds", "ledger_rest", "journal_rest"];
    let mut db = unanalysed(&tables, &rows).await;
    let ids: String = sqlx::query_scalar(AssertSqlSafe(format!(
        "select array_agg(id)::text from (select id from ids limit {ASKED}) as wanted"
    )))
    .fetch_one(&mut *db)
    .await
    .expect("ids");
    let mut statements = statements();
    statements.retain(|text| text.contains("as asked (id)"));
    assert_eq!(statements.len(), 4, "payments, refunds, ledger, journal");
    for statement in statements {
        let (looked_at, plan) = rows_of(&mut db, &statement, &format!("'{ids}'")).await;
        let asked = f64::from(ASKED);
        assert!(
            (2.0 * asked..10.0 * asked).contains(&looked_at),
            "{looked_at} rows: {statement}\n{plan:#}"
        );
    }
}
