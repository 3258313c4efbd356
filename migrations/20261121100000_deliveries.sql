-- What we told each customer, and when: every try to send a message, with what came of it. Append-only, and
-- nothing in it says where the customer is reached or what the message said: both follow from the booking.
create table deliveries (
    entry      bigint generated always as identity,
    show_id    bigint not null,
    booking_id uuid not null,
    channel    text not null check (channel in ('email', 'sms', 'push')),
    template   text not null,
    -- Null where it was never written, because there was nothing left to tell.
    language   text,
    message_id text not null,
    outcome    text not null check (outcome in ('delivered', 'not_sent', 'refused', 'later', 'unknown')),
    -- Why, unless it was delivered.
    reason     text,
    attempt    integer not null check (attempt > 0),
    at         timestamptz not null
) partition by range (at);
create index deliveries_by_booking on deliveries (booking_id, entry);
create table deliveries_rest partition of deliveries default;
create trigger deliveries_are_append_only before update or delete on deliveries
    for each row execute function append_only();
