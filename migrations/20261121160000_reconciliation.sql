-- How far each gateway account is reconciled. Held by a lease, so that one process walks an account at a time; one that
-- was stopped and wakes does no harm, for what it finds is an event of the same id, and the cursor moves only under
-- its own token.
create table reconciliation (
    gateway          text not null,
    account          text not null,
    reconciled_until timestamptz not null,
    -- How often the window behind the cursor was walked without getting all answers.
    tries            integer not null default 0,
    lease_token      uuid,
    lease_until      timestamptz,
    updated_at       timestamptz not null default clock_timestamp(),
    primary key (gateway, account)
);

-- The report: what came of each window.
create table reconciliation_windows (
    window_id    bigint generated always as identity primary key,
    gateway      text not null,
    account      text not null,
    since        timestamptz not null,
    until        timestamptz not null,
    -- Walked by the command, beside the cursor.
    by_hand      boolean not null,
    -- Whether the gateway could be asked what had changed; else only our own rows were compared.
    listed       boolean not null,
    matched      integer not null,
    repaired     integer not null,
    needs_person integer not null,
    not_ours     integer not null,
    unanswered   integer not null,
    finished_at  timestamptz not null default clock_timestamp()
);
create index reconciliation_windows_in_order on reconciliation_windows (gateway, account, until);

-- What was found, each once, however often it was come across.
create table reconciliation_findings (
    gateway            text not null,
    account            text not null,
    -- The id of the event that was told, or `person:` and the gateway's id of the payment.
    finding            text not null,
    gateway_payment_id text not null,
    booking_id         uuid,
    what               text not null,
    cure               text not null check (cure in ('REPAIRED', 'PERSON')),
    found_at           timestamptz not null default clock_timestamp(),
    last_found_at      timestamptz not null default clock_timestamp(),
    primary key (gateway, account, finding)
);

-- Our own rows of a window. They stand almost in these orders, so a BRIN index is enough; it costs a write next to
-- nothing, and keeps no update from staying on its page.
create index payments_opened_in_order on payments using brin (opened_at) with (pages_per_range = 16, autosummarize = on);
create index payments_decided_in_order on payments using brin (decided_at) with (pages_per_range = 16, autosummarize = on);
create index refunds_requested_in_order on refunds using brin (requested_at) with (pages_per_range = 16, autosummarize = on);
create index refunds_done_in_order on refunds using brin (done_at) with (pages_per_range = 16, autosummarize = on);
