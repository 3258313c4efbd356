-- The state of every booking, payment and refund of one database. Every row of the write path carries
-- show_id, for a show and all its bookings live on one server. Money is bigint minor units and a currency.
--
-- Lock order, everywhere: consumer_positions, idempotency_keys, hold_slots, bookings, seats, tasks, appends;
-- sorted by key within each. Payments and refunds are written only under their booking's lock.

create table shows (
    show_id            bigint primary key check (show_id between 1 and 1099511627775),
    external_ref       text unique,
    title              text not null,
    starts_at          timestamptz not null,
    status             text not null default 'DRAFT' check (status in ('DRAFT', 'ON_SALE', 'CANCELLED')),
    currency           text not null check (currency ~ '^[A-Z]{3}$'),
    hold_ms            bigint not null check (hold_ms > 0),
    grace_ms           bigint not null check (grace_ms >= 0),
    extension_ms       bigint not null check (extension_ms >= 0),
    extension_limit_ms bigint not null check (extension_limit_ms >= 0),
    warning_ms         bigint not null check (warning_ms >= 0),
    seat_limit         integer not null check (seat_limit between 1 and 100),
    created_at         timestamptz not null default clock_timestamp()
);

-- The plan of a show: which seats it will have. Becomes rows of show_seats when the show goes on sale.
create table seat_plans (
    show_id     bigint not null references shows,
    seat        text collate "C" not null check (length(seat) between 1 and 16 and seat ~ '^[!-~]+$'),
    row_name    text not null,
    number      integer not null,
    section     text not null,
    price_minor bigint not null check (price_minor between 0 and 1000000000000),
    primary key (show_id, seat)
);

-- The seat row is the truth. `changes` counts the row's updates: their sum over a show is the version of its
-- seat map. Half of each page is left free, so that updates stay on the page (HOT).
create table show_seats (
    show_id     bigint not null,
    seat        text collate "C" not null,
    state       text not null default 'AVAILABLE'
                check (state in ('AVAILABLE', 'HELD', 'BOOKED', 'BLOCKED', 'CANCELLED')),
    booking_id  uuid,
    reclaim_at  timestamptz,
    price_minor bigint not null,
    changes     bigint not null default 0,
    primary key (show_id, seat),
    check (state not in ('HELD', 'BOOKED') or booking_id is not null),
    check ((state = 'HELD') = (reclaim_at is not null))
) with (fillfactor = 50);

create table bookings (
    booking_id    uuid primary key,
    show_id       bigint not null,
    user_id       text not null,
    seats         text[] not null,
    amount_minor  bigint not null,
    currency      text not null,
    state         text not null,
    email         text not null,
    phone         text,
    language      text,
    held_at       timestamptz not null,
    expires_at    timestamptz not null,
    reclaim_at    timestamptz not null,
    waiting_since timestamptz,
    confirmed_at  timestamptz,
    sequence      integer not null,
    version       bigint not null,
    updated_at    timestamptz not null
) with (fillfactor = 50);

-- The history of a user, newest first.
create index bookings_by_user on bookings (user_id, held_at desc);
create index bookings_by_show on bookings (show_id);

create table payments (
    payment_id         uuid primary key,
    booking_id         uuid not null,
    show_id            bigint not null,
    gateway            text not null,
    account            text not null,
    gateway_payment_id text,
    standing           text not null,
    expected_minor     bigint not null,
    expected_currency  text not null,
    captured_minor     bigint,
    captured_currency  text,
    verdict            text,
    opened_at          timestamptz not null,
    decided_at         timestamptz,
    check ((standing = 'CAPTURED') = (verdict is not null)),
    check ((standing = 'CAPTURED') = (captured_minor is not null))
) with (fillfactor = 70);

create index payments_by_booking on payments (booking_id);
-- Guards money for ever: one payment of a gateway is one payment of ours. Also the map by which records
-- without our reference find their booking.
create unique index payments_at_gateway on payments (gateway, account, gateway_payment_id);

create table refunds (
    refund_id         uuid primary key,
    payment_id        uuid not null,
    booking_id        uuid not null,
    show_id           bigint not null,
    amount_minor      bigint not null check (amount_minor > 0),
    currency          text not null,
    cause             text not null,
    standing          text not null,
    generation        integer not null,
    gateway_refund_id text,
    requested_at      timestamptz not null,
    done_at           timestamptz
) with (fillfactor = 70);

create index refunds_by_booking on refunds (booking_id);

-- One per user and show: which booking they last held. Only the hold desk locks or writes slots.
create table hold_slots (
    show_id    bigint not null,
    user_id    text not null,
    booking_id uuid not null,
    primary key (show_id, user_id)
) with (fillfactor = 70);

-- Timers, and calls to the outside. A row is leased, worked on outside any transaction, and removed or set
-- again by the turn that brings the answer.
create table tasks (
    kind        text not null,
    subject     uuid not null,
    generation  integer not null,
    booking_id  uuid,
    due_at      timestamptz not null,
    lease_until timestamptz,
    lease_token uuid,
    attempts    integer not null default 0,
    detail      text,
    created_at  timestamptz not null default clock_timestamp(),
    primary key (kind, subject, generation)
) with (fillfactor = 50);

create index tasks_due on tasks (kind, due_at);

-- Every try of every call, written down before it is made. An open one (no answer) whose deadline has passed
-- is looked up at the gateway before it is repeated.
create table attempts (
    kind        text not null,
    subject     uuid not null,
    generation  integer not null,
    attempt     integer not null,
    booking_id  uuid,
    started_at  timestamptz not null,
    deadline    timestamptz not null,
    answered_at timestamptz,
    answer      text,
    primary key (kind, subject, generation, attempt)
);

-- Where each consumer stands in each partition, and whose it is (epoch).
create table consumer_positions (
    consumer    text not null,
    topic       text not null,
    partition   integer not null,
    next_offset bigint,
    epoch       bigint not null,
    updated_at  timestamptz not null default clock_timestamp(),
    primary key (consumer, topic, partition)
) with (fillfactor = 50);

-- A cheap filter against redeliveries. Business keys guard beyond its retention.
create table inbox (
    source      text not null,
    event_id    text not null,
    outcome     text not null check (outcome in ('applied', 'ignored')),
    received_at timestamptz not null default clock_timestamp(),
    primary key (source, event_id)
);

create table idempotency_keys (
    user_id      text not null,
    route        text not null,
    key          text not null,
    request_hash bytea not null,
    status       integer,
    body         bytea,
    resume       uuid,
    created_at   timestamptz not null default clock_timestamp(),
    primary key (user_id, route, key)
) with (fillfactor = 70);

create index idempotency_keys_by_age on idempotency_keys (created_at);

-- What was decided, on what, and why. Append-only.
create table journal (
    entry      bigint generated always as identity,
    show_id    bigint not null,
    booking_id uuid not null,
    at         timestamptz not null,
    input      text not null,
    outcome    text not null
) partition by range (at);
create index journal_by_booking on journal (booking_id, entry);
create table journal_rest partition of journal default;

-- Double entry per payment. Append-only.
create table ledger (
    entry        bigint generated always as identity,
    show_id      bigint not null,
    booking_id   uuid not null,
    payment_id   uuid not null,
    from_account text not null,
    to_account   text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency     text not null,
    at           timestamptz not null
) partition by range (at);
create index ledger_by_payment on ledger (payment_id);
create table ledger_rest partition of ledger default;

create function append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;
create trigger journal_is_append_only before update or delete on journal for each row execute function append_only();
create trigger ledger_is_append_only before update or delete on ledger for each row execute function append_only();

-- The operators' list: at most one open item per kind and subject.
create table attention (
    kind         text not null,
    subject      uuid not null,
    show_id      bigint,
    booking_id   uuid,
    payment_id   uuid,
    amount_minor bigint,
    currency     text,
    reason       text not null,
    opened_at    timestamptz not null,
    closed_at    timestamptz,
    primary key (kind, subject)
);

-- Records that name a payment or a booking that we do not know (yet).
create table parked_records (
    record_id  uuid primary key,
    gateway    text not null,
    account    text not null,
    event_id   text not null,
    kind       text not null,
    -- What the record is about: a booking of ours, or only the gateway's payment id.
    booking_id         uuid,
    gateway_payment_id text,
    headers    bytea not null,
    payload    bytea not null,
    reason     text not null,
    parked_at  timestamptz not null default clock_timestamp()
);

-- Records that could not be read or applied. Their bytes also go to the consumer's dead-letter topic.
create table dead_letters (
    letter_id   uuid primary key,
    consumer    text not null,
    topic       text not null,
    partition   integer not null,
    "offset"    bigint not null,
    key         bytea,
    headers     bytea not null,
    payload     bytea not null,
    reason      text not null,
    buried_at   timestamptz not null default clock_timestamp(),
    redriven_at timestamptz
);

-- The outbox. The columns id, aggregatetype, aggregateid, type and payload are those that Debezium's outbox
-- router expects. `position` comes from one sequence without a cache, `xact` is the writer's transaction.
-- `xact` stands first because defaults are taken in the order of the columns: who has drawn a position has
-- an id already, and the relay's lower bounds rest on that.
--
-- Eight tables in a ring, each for 2^20 positions and then again: the relay truncates the oldest once it is
-- wholly published. Nothing is ever created, attached or dropped while writers are at work (each of these
-- locks all of them out for a moment), and no position is ever without a table. TRUNCATE locks only its own
-- table, in which nobody writes any more. The order of positions is kept by an index per table; there is none
-- on `xact`, which would cost every insert.
create sequence outbox_position cache 1;
create table outbox (
    xact          xid8 not null default pg_current_xact_id(),
    position      bigint not null default nextval('outbox_position'),
    id            uuid not null,
    aggregatetype text not null,
    aggregateid   text not null,
    type          text not null,
    booking_id    uuid,
    sequence      integer,
    at            timestamptz not null,
    -- Null for booking events, whose headers follow from the columns; else the record's own headers.
    headers       bytea,
    payload       bytea not null
) partition by list (((position >> 20) & 7));
do $$
begin
    for slot in 0..7 loop
        -- Rows are only inserted, and the table is truncated before they would need to be frozen.
        execute format('create table outbox_%1$s partition of outbox for values in (%1$s)
                        with (autovacuum_vacuum_insert_threshold = -1)', slot);
        execute format('create unique index outbox_%1$s_position on outbox_%1$s (position)', slot);
    end loop;
end $$;

-- How far the relay has published. One row per database.
create table relay_cursor (
    only_one          boolean primary key default true check (only_one),
    -- Everything that S1 saw is published; the window in hand is what S2 sees and S1 did not.
    s1                pg_snapshot not null,
    -- Transactions from S1's xmax on draw only positions above this one.
    s1_drawn          bigint not null,
    -- The same for each transaction that S1 saw in progress, in the order of their ids.
    s1_floors         bigint[] not null,
    s2                pg_snapshot,
    s2_drawn          bigint,
    -- Of the window in hand, this much is published.
    last_position     bigint not null default 0,
    epoch             bigint not null default 0,
    lease_until       timestamptz,
    system_identifier bigint not null,
    timeline          integer not null,
    updated_at        timestamptz not null default clock_timestamp(),
    check ((s2 is null) = (s2_drawn is null))
);
