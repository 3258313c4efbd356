-- How far the running check has come. One row per database, held by a lease.
--
-- Journal and ledger are read by `entry`, a page of consecutive numbers at a time. Rows stand almost in that order,
-- so a BRIN index is enough, and costs a write next to nothing.
create table running_check (
    only_one       boolean primary key default true check (only_one),
    -- Entries up to here are evaluated.
    journal_entry  bigint not null default 0,
    ledger_entry   bigint not null default 0,
    -- Transactions from here on draw only entries above these two, so that once all older ones have ended, whatever
    -- stands at or below them and will ever be visible is.
    marked_xact    xid8,
    marked_journal bigint not null default 0,
    marked_ledger  bigint not null default 0,
    -- The last booking of the round that comes by all of them.
    round_after    uuid,
    events_at      timestamptz,
    lease_until    timestamptz,
    lease_token    uuid,
    updated_at     timestamptz not null default clock_timestamp()
);
insert into running_check default values;

-- The sums of the ledger up to ledger_entry.
create table running_sums (
    currency      text not null,
    account       text not null,
    balance_minor bigint not null,
    primary key (currency, account)
);

create index journal_in_order on journal using brin (entry) with (pages_per_range = 16, autosummarize = on);
create index ledger_in_order on ledger using brin (entry) with (pages_per_range = 16, autosummarize = on);
