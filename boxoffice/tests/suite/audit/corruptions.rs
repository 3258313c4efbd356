//! What nobody should ever do to the database, each with the promises that it breaks.

use boxoffice_saga::identity::BookingId;

use super::story::Story;

/// One corruption: its name, what it does by hand, and the promises that it breaks.
pub type Corruption = (&'static str, String, &'static [&'static str]);

/// All of them.
pub fn corruptions(story: &Story) -> Vec<Corruption> {
    let Story {
        show,
        confirmed,
        held,
        paid_twice,
        with_operator,
        undecided,
        returning,
        cancelled_show,
    } = story;
    let stranger = BookingId::pack(2, *show, 2);
    vec![
        (
            "a sold seat is for sale again",
            format!("update show_seats set state = 'AVAILABLE', booking_id = null where show_id = {show} and seat = 'A-1'"),
            &["SEAT-2"],
        ),
        (
            "a sold seat is gone",
            format!("delete from show_seats where show_id = {show} and seat = 'A-1'"),
            &["SEAT-2"],
        ),
        (
            "a sold seat is blocked",
            format!("update show_seats set state = 'BLOCKED', booking_id = null where show_id = {show} and seat = 'A-1'"),
            &["SEAT-2"],
        ),
        (
            "a free seat is booked by a hold",
            format!("update show_seats set state = 'BOOKED', booking_id = '{held}' where show_id = {show} and seat = 'B-5'"),
            &["SEAT-1"],
        ),
        (
            "a seat of a cancelled show is for sale",
            format!("update show_seats set state = 'AVAILABLE', booking_id = null where show_id = {cancelled_show} and seat = 'B-5'"),
            &["SEAT-1"],
        ),
        (
            "a seat is sold twice",
            format!("update bookings set seats = array_append(seats, 'A-1') where booking_id = '{paid_twice}'"),
            &["SEAT-1", "SEAT-2"],
        ),
        (
            "a movement of money is gone",
            format!("delete from ledger where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "a movement of money is larger than it was",
            format!("update ledger set amount_minor = amount_minor + 1 where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "money is moved that nobody decided on",
            format!("insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
                     select show_id, booking_id, payment_id, 'APPLIED', 'OPERATOR', 5, currency, at from ledger
                     where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "a fee is kept of a booking that stands",
            format!("update payments set retained_minor = 100 where booking_id = '{confirmed}'"),
            &["MONEY-1"],
        ),
        (
            "a refund is given up and its money is nowhere",
            format!("update refunds set standing = 'WITHDRAWN' where booking_id = '{returning}'"),
            &["MONEY-1"],
        ),
        (
            "more is returned than was captured",
            format!("update refunds set amount_minor = amount_minor + 7 where booking_id = '{paid_twice}';
                     insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
                     select show_id, booking_id, payment_id, 'LOSS', 'REFUNDED', 7, currency, requested_at from refunds
                     where booking_id = '{paid_twice}'"),
            &["MONEY-2"],
        ),
        (
            "two refunds are one at the gateway",
            format!("update refunds set gateway_refund_id = (select gateway_refund_id from refunds where booking_id = '{paid_twice}')
                     where booking_id = '{returning}'"),
            &["MONEY-2"],
        ),
        (
            "the gateway told of two refunds for one of ours",
            format!("insert into journal (show_id, booking_id, at, input, outcome)
                     select show_id, booking_id, at, regexp_replace(input, '\"re_[A-Za-z0-9]+\"', '\"re_another\"'), outcome
                     from journal where booking_id = '{paid_twice}' and input like '%\"refund_answered\"%' limit 1"),
            &["MONEY-2"],
        ),
        (
            "a refund waits for a person who was not told",
            format!("update attention set closed_at = now() where booking_id = '{with_operator}'"),
            &["MONEY-3"],
        ),
        (
            "a refund is pending for a week",
            format!("update refunds set requested_at = requested_at - interval '7 days' where booking_id = '{returning}'"),
            &["MONEY-3"],
        ),
        (
            "an attempt is undecided for two days",
            format!("delete from attention where booking_id = '{undecided}';
                     update payments set opened_at = opened_at - interval '2 days' where booking_id = '{undecided}'"),
            &["MONEY-3"],
        ),
        (
            "a show is cancelled for two days and its bookings stand",
            format!("update shows set status = 'CANCELLED', cancelled_at = now() - interval '2 days' where show_id = {show};
                     update show_seats set state = 'CANCELLED', reclaim_at = null where show_id = {show}"),
            &["MONEY-3"],
        ),
        (
            "a dispute that nobody was told of",
            format!("update payments set disputes = '[{{\"gateway_dispute_id\":\"dp_1\",\"standing\":\"opened\",\"amount_minor\":45000}}]'
                     where booking_id = '{confirmed}'"),
            &["MONEY-3"],
        ),
        (
            "another verdict than the one that was decided",
            format!("update payments set verdict = 'WRONG_AMOUNT' where booking_id = '{paid_twice}' and verdict = 'SECOND_PAYMENT';
                     update refunds set cause = 'WRONG_AMOUNT' where booking_id = '{paid_twice}'"),
            &["SAGA-1"],
        ),
        (
            "a refund for another reason than the verdict",
            format!("update refunds set cause = 'SEATS_LOST' where booking_id = '{paid_twice}'"),
            &["SAGA-1"],
        ),
        (
            "a verdict was decided twice",
            format!("insert into journal (show_id, booking_id, at, input, outcome)
                     select show_id, booking_id, at, input, outcome from journal
                     where booking_id = '{confirmed}' and outcome like '%\"decided\"%'"),
            &["SAGA-1"],
        ),
        (
            "nobody knows why a payment was applied",
            format!("delete from journal where booking_id = '{confirmed}' and outcome like '%\"decided\"%'"),
            &["SAGA-1"],
        ),
        (
            "a record was applied twice",
            "insert into journal (show_id, booking_id, at, input, outcome, source_topic, source_partition, source_offset)
             select show_id, booking_id, at, input, outcome, source_topic, source_partition, source_offset from journal
             where source_topic is not null and outcome not like '%\"decided\"%' limit 1"
                .to_owned(),
            &["SAGA-1"],
        ),
        (
            "a hold is confirmed without money",
            format!("update bookings set state = 'CONFIRMED' where booking_id = '{held}';
                     update show_seats set state = 'BOOKED', reclaim_at = null where booking_id = '{held}'"),
            &["SAGA-1"],
        ),
        (
            "a cancelled booking lives again",
            format!("update bookings set state = 'EXPIRED' where booking_id = '{returning}'"),
            &["SAGA-1"],
        ),
        (
            "one payment at the gateway is two of ours",
            format!("drop index payments_at_gateway;
                     insert into payments (payment_id, booking_id, show_id, gateway, account, gateway_payment_id, standing,
                         expected_minor, expected_currency, opened_at)
                     select gen_random_uuid(), booking_id, show_id, gateway, account, gateway_payment_id, standing,
                         expected_minor, expected_currency, opened_at from payments where booking_id = '{undecided}'"),
            &["SAGA-1"],
        ),
        (
            "an event in the middle is gone",
            format!("delete from outbox where booking_id = '{confirmed}' and sequence = 2"),
            &["EVENT-1"],
        ),
        (
            "a first event is gone",
            format!("delete from outbox where booking_id = '{confirmed}' and sequence = 1"),
            &["EVENT-1"],
        ),
        (
            "a last event is gone",
            format!("delete from outbox where booking_id = '{confirmed}' and sequence = 3"),
            &["EVENT-1"],
        ),
        (
            "all events are gone",
            format!("delete from outbox where booking_id = '{confirmed}'"),
            &["EVENT-1"],
        ),
        (
            "events are published in the wrong order",
            format!("update outbox set sequence = 5 - sequence where booking_id = '{confirmed}' and sequence in (2, 3)"),
            &["EVENT-1"],
        ),
        (
            "an event of what was never committed",
            format!("insert into outbox (id, aggregatetype, aggregateid, type, booking_id, sequence, at, payload)
                     select gen_random_uuid(), aggregatetype, aggregateid, type, '{stranger}', 1, at, payload from outbox
                     where booking_id = '{confirmed}' and sequence = 1"),
            &["EVENT-1"],
        ),
        (
            "the relay believes that it has published the future",
            "update relay_cursor set s1 = '900000000:900000000:', s2 = null, s2_drawn = null".to_owned(),
            &["EVENT-1"],
        ),
        (
            "the relay stands still for two days",
            "update relay_cursor set s1 = '1:1:', s1_drawn = 0, s1_floors = '{}', s2 = null, s2_drawn = null;
             update outbox set at = at - interval '2 days'"
                .to_owned(),
            &["EVENT-1"],
        ),
        (
            "more webhooks were decided than the topic has",
            "update consumer_positions set next_offset = next_offset + 1000
             where topic = 'payments.webhooks.v1' and next_offset is not null"
                .to_owned(),
            &["INGRESS-1"],
        ),
        (
            "a parked webhook that no task looks after",
            "delete from tasks where kind = 'trace'".to_owned(),
            &["INGRESS-1"],
        ),
        (
            "a dead letter that nobody was told of",
            "delete from attention where kind = 'dead_letter'".to_owned(),
            &["INGRESS-1"],
        ),
        (
            "a refund of no payment",
            format!("insert into refunds (refund_id, payment_id, booking_id, show_id, amount_minor, currency, cause, standing,
                         generation, requested_at)
                     values (gen_random_uuid(), gen_random_uuid(), '{stranger}', {show}, 5, 'INR', 'CANCELLED', 'DONE', 1, now())"),
            &["ROWS"],
        ),
        (
            "a payment of no booking",
            format!("insert into payments (payment_id, booking_id, show_id, gateway, account, standing, expected_minor,
                         expected_currency, opened_at)
                     values (gen_random_uuid(), '{stranger}', {show}, 'stripe', 'default', 'OPEN', 5, 'INR', now())"),
            &["ROWS"],
        ),
        (
            "the ledger knows a payment that does not exist",
            format!("insert into ledger (show_id, booking_id, payment_id, from_account, to_account, amount_minor, currency, at)
                     select {show}, '{stranger}', gen_random_uuid(), pair.f, pair.t, 5, 'INR', now()
                     from (values ('TO_RETURN', 'APPLIED'), ('APPLIED', 'TO_RETURN')) as pair (f, t)"),
            &["ROWS"],
        ),
        (
            "a task for nothing",
            "insert into tasks (kind, subject, generation, due_at) values ('refund', gen_random_uuid(), 1, now())".to_owned(),
            &["ROWS"],
        ),
        (
            "a seat is held by a booking that does not hold it",
            format!("update show_seats set state = 'HELD', booking_id = '{held}', reclaim_at = now() where show_id = {show} and seat = 'B-5'"),
            &["ROWS"],
        ),
        (
            "a booking of no show",
            format!("delete from seat_plans where show_id = {cancelled_show}; delete from shows where show_id = {cancelled_show}"),
            &["ROWS"],
        ),
    ]
}
