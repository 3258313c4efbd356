-- What operators read at three in the morning: one booking's story, what is stuck, what waits for a person.

-- Which record of Kafka brought an input (null: none did), in which transaction it was decided, and what that
-- transaction published about the booking: JSON, [{"sequence", "type", "position"}, …], on the last of the
-- booking's rows in it. Rows from before this migration have none of it.
alter table journal
    add column xact             xid8,
    add column source_topic     text,
    add column source_partition integer,
    add column source_offset    bigint,
    add column event_id         text,
    add column event_kind       text,
    add column received_at      timestamptz,
    add column published        text,
    add check ((source_topic is null) = (source_partition is null)),
    add check ((source_topic is null) = (source_offset is null));
-- A default apart from the column, so that older rows do not get the migration's own.
alter table journal alter column xact set default pg_current_xact_id();

-- How often a letter was put back into its topic.
alter table dead_letters add column redrives integer not null default 0;

-- What is open, oldest first. Each of these holds only what is open, so it stays small however many bookings
-- there are.
create index refunds_unfinished on refunds (requested_at, refund_id) where standing not in ('DONE', 'WITHDRAWN');
create index attention_open on attention (opened_at, subject, (kind collate "C")) where closed_at is null;
create index attention_open_by_subject on attention (subject) where closed_at is null;
-- The operators' list: the oldest day first, and within a day the largest amount.
create index attention_by_day on attention
    (((opened_at at time zone 'UTC')::date), (-coalesce(amount_minor, 0)), opened_at, subject, kind)
    where closed_at is null;
create index attention_by_booking on attention (booking_id);
create index tasks_by_booking on tasks (booking_id);
create index tasks_of_messages on tasks (created_at, subject) where kind in ('mail', 'sms', 'push');
create index dead_letters_in_order on dead_letters (buried_at, letter_id);
create index dead_letters_left on dead_letters (buried_at, letter_id) where redriven_at is null;
create index parked_records_in_order on parked_records (parked_at, record_id);
