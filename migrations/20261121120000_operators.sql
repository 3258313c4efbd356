-- Operators' acts on shows and bookings.
--
-- Lock order: a show's row is locked, if at all, after idempotency_keys and before hold_slots. Turns never lock
-- it: they read a show's terms beforehand, and its seats decide.

-- A cancelled show's seats are all CANCELLED; a removed one has none left, nor a plan, nor slots.
alter table shows
    add column cancelled_at timestamptz,
    add column removed_at   timestamptz,
    add check ((status = 'CANCELLED') = (cancelled_at is not null));

-- Who did what and why, with what came of it. Written with the effect or not at all.
create table operator_acts (
    act     bigint generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    -- The token's subject, or the operating system's user for the command line.
    who     text not null,
    door    text not null check (door in ('API', 'COMMAND_LINE')),
    what    text not null,
    -- What it was about: a show's number, a booking's id; null for acts on whatever fits.
    subject text,
    why     text,
    outcome text not null
);
create index operator_acts_by_subject on operator_acts (subject, act);
create trigger operator_acts_are_append_only before update or delete on operator_acts
    for each row execute function append_only();

-- The pages of a cancelled show: its bookings in order.
create index bookings_by_show_in_order on bookings (show_id, booking_id);
drop index bookings_by_show;
