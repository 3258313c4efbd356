//! Every letter is written, put into a file by the postman, and read back by another mail library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice_notifications::mail::letters::{
    BookingConfirmed, BookingFailedRefunding, Refunded, ReturnReason,
};
use boxoffice_notifications::mail::{
    BookingFacts, Contact, Letter, Letterhead, MessageId, Postman, Template,
};
use boxoffice_saga::money::Money;
use boxoffice_tickets::{Ticket, TicketKeys, qr_png};
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use time::OffsetDateTime;
use time::macros::{date, datetime};
use uuid::Uuid;

const BOOKING: Uuid = Uuid::from_u128(0xb00c);
const AT: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

fn letterhead() -> Letterhead {
    Letterhead {
        name: "The Box Office".into(),
        help: Some("help@example.com".into()),
    }
}

fn contact() -> Contact {
    Contact {
        email: "asha@example.com".into(),
        phone: None,
        language: Some("hi-IN".into()),
    }
}

fn booking() -> BookingFacts {
    BookingFacts {
        booking_id: BOOKING,
        show_title: "<b>Āag</b> & \"Rāg\"\r\nBcc: everybody@example.com".into(),
        starts_at: Some(datetime!(2026-01-12 19:30 +05:30)),
        venue: Some("Regal, Screen 2".into()),
        seats: vec!["A-1".into(), "A-2".into()],
        status_url: Some(format!(
            "https://example.com/v1/bookings/{BOOKING}?token=abc"
        )),
    }
}

fn money(minor: i64) -> Money {
    Money::new(minor, "INR".parse().unwrap())
}

fn id(template: Template) -> MessageId {
    MessageId::new(
        Uuid::from_u128(0xca05e),
        template,
        BOOKING,
        "mail.example.com",
    )
    .unwrap()
}

fn confirmed() -> BookingConfirmed {
    let seats = booking().seats;
    let keys = TicketKeys::new("k1", "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=").unwrap();
    BookingConfirmed {
        contact: contact(),
        booking: booking(),
        amount: money(12_345_600),
        ticket: Ticket::new(BOOKING, 7, seats, AT).unwrap().sign(&keys),
    }
}

fn returning(reason: ReturnReason) -> BookingFailedRefunding {
    BookingFailedRefunding {
        contact: contact(),
        booking: booking(),
        amount: money(45_000),
        reason,
        expected_by: Some(date!(2026 - 01 - 09)),
    }
}

async fn posted(letter: &Letter) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let from = "The Böx Office <tickets@example.com>";
    Postman::files(folder.path(), from)
        .unwrap()
        .deliver(letter)
        .await
        .unwrap();
    std::fs::read(
        folder
            .path()
            .join(format!("{}.eml", letter.message_id.as_str())),
    )
    .unwrap()
}

fn read(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

fn check_common(message: &Message<'_>, template: Template) -> (String, String) {
    assert_eq!(message.message_id().unwrap(), id(template).as_str());
    assert_eq!(
        message.to().unwrap().first().unwrap().address().unwrap(),
        "asha@example.com"
    );
    let from = message.from().unwrap().first().unwrap();
    assert_eq!(from.address().unwrap(), "tickets@example.com");
    assert_eq!(from.name().unwrap(), "The Böx Office");
    assert_eq!(message.date().unwrap().to_rfc3339(), "2026-01-02T03:04:05Z");
    assert!(message.bcc().is_none(), "a title cannot add a header");
    assert_eq!(
        message.header_raw("Auto-Submitted").unwrap().trim(),
        "auto-generated"
    );
    let text = message.body_text(0).unwrap().replace("\r\n", "\n");
    let html = message.body_html(0).unwrap().into_owned();
    for fact in [
        "A-1, A-2",
        &BOOKING.to_string(),
        "12 January 2026, 19:30 (UTC+05:30)",
        "Regal",
    ] {
        assert!(text.contains(fact), "{fact} in\n{text}");
        assert!(html.contains(fact), "{fact} in\n{html}");
    }
    assert!(
        text.contains("<b>Āag</b> & \"Rāg\"  Bcc: everybody@example.com\n"),
        "{text}"
    );
    assert!(
        html.contains("&lt;b&gt;Āag&lt;/b&gt; &amp; &quot;Rāg&quot;"),
        "{html}"
    );
    assert!(text.contains("?token=abc") && html.contains("?token=abc"));
    assert!(text.contains("help@example.com") && html.contains("help@example.com"));
    (text, html)
}

#[tokio::test]
async fn the_ticket_letter_carries_code_picture_and_attachment() {
    let data = confirmed();
    let letter = data
        .write(&letterhead(), id(Template::BookingConfirmed), AT)
        .unwrap();
    let bytes = posted(&letter).await;
    assert!(bytes.is_ascii(), "nothing depends on 8BITMIME");
    let message = read(&bytes);
    let (text, html) = check_common(&message, Template::BookingConfirmed);
    assert!(
        message
            .subject()
            .unwrap()
            .starts_with("Your tickets for <b>Āag</b>")
    );
    assert!(text.contains("INR 1,23,456.00") && html.contains("INR 1,23,456.00"));
    assert!(text.contains(data.ticket.as_str()) && html.contains(data.ticket.as_str()));

    let picture = qr_png(&data.ticket).unwrap();
    let pictures: Vec<_> = message
        .parts
        .iter()
        .filter(|part| {
            part.content_type()
                .is_some_and(|kind| kind.subtype() == Some("png"))
        })
        .collect();
    assert_eq!(pictures.len(), 2);
    for part in &pictures {
        let (PartType::Binary(png) | PartType::InlineBinary(png)) = &part.body else {
            panic!("{:?}", part.body)
        };
        assert_eq!(png.as_ref(), picture);
        assert_eq!(
            part.attachment_name().unwrap(),
            format!("ticket-{BOOKING}.png")
        );
    }
    let cid = pictures.iter().find_map(|part| part.content_id()).unwrap();
    assert!(
        html.contains(&format!("src=\"cid:{cid}\"")),
        "{cid} in\n{html}"
    );
    let kind = |part: &mail_parser::MessagePart<'_>| {
        part.content_type()
            .and_then(|kind| kind.subtype().map(str::to_owned))
    };
    let kinds: Vec<_> = message.parts.iter().filter_map(kind).collect();
    assert_eq!(
        kinds,
        [
            "mixed",
            "alternative",
            "plain",
            "related",
            "html",
            "png",
            "png"
        ]
    );
}

#[tokio::test]
async fn the_refund_letters_say_how_much_why_and_when() {
    let letter = returning(ReturnReason::SeatsLost).write(
        &letterhead(),
        id(Template::BookingFailedRefunding),
        AT,
    );
    let bytes = posted(&letter).await;
    let message = read(&bytes);
    let (text, html) = check_common(&message, Template::BookingFailedRefunding);
    assert!(
        message
            .subject()
            .unwrap()
            .starts_with("Your money is on its way back: ")
    );
    for said in [
        "INR 450.00",
        "9 January 2026",
        "not all of them were free",
        "book again",
    ] {
        assert!(
            text.contains(said) && html.contains(said),
            "{said} in\n{text}"
        );
    }
    assert_eq!(message.attachment_count(), 0);

    let data = Refunded {
        contact: contact(),
        booking: booking(),
        amount: money(45_000),
        refunded_on: date!(2026 - 01 - 04),
        reference: Some("74027 <1>".into()),
    };
    let letter = data.write(&letterhead(), id(Template::Refunded), AT);
    let bytes = posted(&letter).await;
    let message = read(&bytes);
    let (text, html) = check_common(&message, Template::Refunded);
    assert!(
        message
            .subject()
            .unwrap()
            .starts_with("Your refund of INR 450.00: ")
    );
    assert!(text.contains("74027 <1>") && html.contains("74027 &lt;1&gt;"));
    assert!(text.contains("4 January 2026"));
}

#[test]
fn a_good_booking_is_never_called_failed() {
    let write = |reason| {
        returning(reason)
            .write(&letterhead(), id(Template::BookingFailedRefunding), AT)
            .text
    };
    let second = write(ReturnReason::SecondPayment);
    assert!(second.contains("Your booking stays as it is"));
    assert!(second.contains("do not pay for this booking again"));
    for reason in [
        ReturnReason::SeatsLost,
        ReturnReason::SecondPayment,
        ReturnReason::WrongAmount,
        ReturnReason::WrongCurrency,
        ReturnReason::BookingCancelled,
        ReturnReason::ShowCancelled,
        ReturnReason::PaidAfterCancellation,
    ] {
        let text = write(reason);
        assert!(!text.to_lowercase().contains("failed"), "{text}");
        assert!(text.contains("Your money is safe"));
        let invites = text.contains("you can book again");
        assert_eq!(invites, reason == ReturnReason::SeatsLost, "{reason:?}");
    }
}

#[test]
fn the_same_data_make_the_same_letter() {
    let write = || {
        confirmed()
            .write(&letterhead(), id(Template::BookingConfirmed), AT)
            .unwrap()
    };
    assert_eq!(write(), write());
}
