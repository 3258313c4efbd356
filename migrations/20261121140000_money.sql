-- When a payment's money is taken, what is kept of it, and what the bank takes back; how a person returns what the
-- gateway would not; and what a show's customers may cancel, at what price.
--
-- Columns with a constant default are added without rewriting the tables.

alter table payments
    add column capture        text not null default 'AUTOMATIC' check (capture in ('AUTOMATIC', 'AFTER_SEATS')),
    -- The fee of a cancellation.
    add column retained_minor bigint not null default 0 check (retained_minor >= 0),
    -- The disputes about it, oldest first, as JSON; null for nearly all. Nothing is looked up by them.
    add column disputes       text;

alter table refunds
    -- By which other way than the gateway a person sends the money.
    add column other_way text,
    -- What shows that it is with the customer by another way.
    add column proof     text;

alter table shows
    add column cancel_until_ms bigint not null default 0 check (cancel_until_ms >= 0),
    add column cancel_fee_bp   integer not null default 0 check (cancel_fee_bp between 0 and 10000);

-- As agreed with the hold: what a show asks later binds later holds.
alter table bookings
    add column cancel_until_ms bigint not null default 0,
    add column cancel_fee_bp   integer not null default 0;

-- What the sweep looks through: everything that somebody should be at work on.
-- (For refunds there is refunds_unfinished.)
create index payments_undecided on payments (opened_at) where standing in ('OPEN', 'AUTHORISED', 'GIVING_UP');
