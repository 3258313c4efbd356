-- What the analytics keep: totals per show and UTC day, and what each event was counted by. They touch no other
-- table and no other table touches them, so they can live in a database of their own (analytics.database_url),
-- together with the analytics' rows of consumer_positions.
--
-- Lock order: consumer_positions, analytics_bookings, analytics_shows_daily, analytics_money_daily; sorted by
-- key within each.

-- How far each booking is counted: events up to this sequence are in the totals, and are ignored when they
-- come again.
create table analytics_bookings (
    booking_id    uuid primary key,
    last_sequence bigint not null check (last_sequence > 0)
) with (fillfactor = 70);

-- Counts; `day` is the UTC day of the event's own time.
create table analytics_shows_daily (
    show_id            bigint not null,
    day                date not null,
    holds_placed       bigint not null,
    holds_expired      bigint not null,
    holds_released     bigint not null,
    holds_replaced     bigint not null,
    bookings_confirmed bigint not null,
    seats_sold         bigint not null,
    bookings_cancelled bigint not null,
    bookings_failed    bigint not null,
    payments_completed bigint not null,
    payments_failed    bigint not null,
    payments_rejected  bigint not null,
    refunds_completed  bigint not null,
    refunds_failed     bigint not null,
    primary key (show_id, day)
) with (fillfactor = 50);

-- Money, in minor units: a refund may be in another currency than the show's. Each row here has one above.
create table analytics_money_daily (
    show_id        bigint not null,
    day            date not null,
    currency       text not null,
    revenue_minor  bigint not null,
    refunded_minor bigint not null,
    primary key (show_id, day, currency)
) with (fillfactor = 50);
