//! Names that are written into databases, topics and documents: they cannot change, and each is read back as what it
//! was.

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::booking::BookingState;
use boxoffice_saga::identity::{BookingId, GatewayAccount, ShowId, UserId};
use boxoffice_saga::ledger::Account;
use boxoffice_saga::money::{Currency, Money, MoneyError};
use boxoffice_saga::payment::{CaptureMode, PaymentStanding, Verdict};
use boxoffice_saga::promises::Promise;
use boxoffice_saga::refund::{RefundCause, RefundStanding};
use boxoffice_saga::seat::SeatState;
use boxoffice_saga::task::TaskKind;

/// Each name leads to a value of that name, and nothing else does.
fn are<T>(names: &[&str], name: impl Fn(T) -> &'static str, from: impl Fn(&str) -> Option<T>) {
    for expected in names {
        let value = from(expected);
        assert_eq!(value.map(&name), Some(*expected), "{expected}");
    }
    for odd in ["", "xyzzy", &names[0].to_lowercase().replace('_', "-")] {
        assert!(from(odd).is_none() || names.contains(&odd), "{odd}");
    }
}

#[test]
fn names_are_read_back_as_what_they_were() {
    are(
        &[
            "HELD",
            "CONFIRMED",
            "EXPIRED",
            "RELEASED",
            "REPLACED",
            "SEATS_LOST",
            "CANCELLED",
        ],
        BookingState::name,
        BookingState::from_name,
    );
    are(
        &[
            "OPEN",
            "AUTHORISED",
            "GIVING_UP",
            "DECLINED",
            "CLOSED",
            "CAPTURED",
        ],
        PaymentStanding::name,
        PaymentStanding::from_name,
    );
    are(
        &["AUTOMATIC", "AFTER_SEATS"],
        CaptureMode::name,
        CaptureMode::from_name,
    );
    are(
        &[
            "APPLIED",
            "SEATS_LOST",
            "SECOND_PAYMENT",
            "WRONG_AMOUNT",
            "WRONG_CURRENCY",
            "CANCELLED",
        ],
        Verdict::name,
        Verdict::from_name,
    );
    are(
        &[
            "REQUESTED",
            "UNDER_WAY",
            "PENDING",
            "DONE",
            "WITH_OPERATOR",
            "WITHDRAWN",
        ],
        RefundStanding::name,
        RefundStanding::from_name,
    );
    are(
        &[
            "SEATS_LOST",
            "SECOND_PAYMENT",
            "WRONG_AMOUNT",
            "WRONG_CURRENCY",
            "CANCELLED",
            "SHOW_CANCELLED",
            "NOT_ASKED_FOR",
            "LEFT_OVER",
        ],
        RefundCause::name,
        RefundCause::from_name,
    );
    are(
        &["AVAILABLE", "HELD", "BOOKED", "BLOCKED", "CANCELLED"],
        SeatState::name,
        SeatState::from_name,
    );
    are(
        &[
            "GATEWAY",
            "APPLIED",
            "TO_RETURN",
            "REFUNDED",
            "OPERATOR",
            "RETAINED",
            "CHARGED_BACK",
            "LOSS",
        ],
        Account::name,
        Account::from_name,
    );
    are(
        &[
            "hold_timer",
            "verify",
            "void",
            "trace",
            "capture",
            "refund",
            "mass_refund",
            "cancel_show",
            "cancel_booking",
            "mail",
            "sms",
            "push",
        ],
        TaskKind::name,
        TaskKind::from_name,
    );
}

#[test]
fn what_the_public_sees_of_a_seat_hides_a_cancelled_show() {
    let shown = |name: &str| SeatState::from_name(name).map(SeatState::public_name);
    for name in ["AVAILABLE", "HELD", "BOOKED", "BLOCKED"] {
        assert_eq!(shown(name), Some(name));
    }
    assert_eq!(shown("CANCELLED"), Some("BLOCKED"));
}

#[test]
fn promises_have_the_names_that_reports_and_metrics_use() {
    let names: Vec<_> = Promise::ALL.iter().map(ToString::to_string).collect();
    let expected = [
        "SEAT-1",
        "SEAT-2",
        "MONEY-1",
        "MONEY-2",
        "MONEY-3",
        "SAGA-1",
        "EVENT-1",
        "INGRESS-1",
    ];
    assert_eq!(names, expected);
    for promise in Promise::ALL {
        let written = serde_json::to_value(promise).expect("JSON");
        assert_eq!(written, promise.name());
    }
}

#[test]
fn items_of_the_operators_list_are_read_back_as_what_they_were() {
    for kind in AttentionKind::ALL {
        let written = serde_json::to_value(kind).expect("JSON");
        assert_eq!(written, kind.name());
        assert_eq!(AttentionKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(AttentionKind::from_name("xyzzy"), None);
}

/// Which tasks call the outside, so that each try is written down before it is made; and which are done once only.
#[test]
fn tasks_that_call_and_tasks_that_are_done_once() {
    let calls: Vec<_> = TaskKind::ALL
        .into_iter()
        .filter(|kind| !kind.calls())
        .collect();
    assert_eq!(
        calls,
        [
            TaskKind::HoldTimer,
            TaskKind::CancelShow,
            TaskKind::CancelBooking
        ]
    );
    let once: Vec<_> = TaskKind::ALL
        .into_iter()
        .filter(|kind| kind.once())
        .collect();
    assert_eq!(once, [TaskKind::Mail, TaskKind::Sms, TaskKind::Push]);
}

/// In letters, reports and logs alike.
#[test]
fn ids_and_money_are_written_plainly() {
    let show = ShowId::try_from(7_u64).expect("a show");
    let booking = BookingId::pack(1, show, 2);
    let uuid = booking.uuid().to_string();
    assert_eq!(booking.to_string(), uuid);
    assert_eq!(format!("{booking:?}"), uuid);
    assert_eq!(
        (show.to_string(), show.kafka_key()),
        ("7".into(), "7".into())
    );
    let account = GatewayAccount::new("stripe", GatewayAccount::DEFAULT);
    assert_eq!(account.to_string(), "stripe/default");
    assert_eq!(UserId("ann".to_owned()).to_string(), "ann");
    let currency: Currency = "inr".parse().expect("a currency");
    assert_eq!(currency.to_string(), "INR");
    assert_eq!(format!("{currency:?}"), "INR");
    let money = Money::new(-5, currency);
    assert_eq!(money.to_string(), "-5 INR (minor units)");
    let written = serde_json::json!({"minor": -5, "currency": "INR"});
    assert_eq!(serde_json::to_value(money).expect("JSON"), written);
    assert_eq!(
        serde_json::from_value::<Money>(written).expect("money"),
        money
    );
}

#[test]
fn a_currency_is_three_letters() {
    for odd in ["", "IN", "INRX", "1NR", "IN1", "I R", "éR"] {
        assert_eq!(odd.parse::<Currency>(), Err(MoneyError::Currency), "{odd}");
        assert!(
            serde_json::from_value::<Currency>(odd.into()).is_err(),
            "{odd}"
        );
    }
}
