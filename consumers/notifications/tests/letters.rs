//! Every letter is written in every language, put into a file by the postman, and read back by another mail
//! library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice_notifications::letters::{
    BookingCancelled, BookingConfirmed, BookingFacts, BookingFailedRefunding, CancelledBy,
    Encoding, HoldExpired, HoldExpiring, Letterhead, MOST_SEGMENTS, Refunded, ReturnReason,
    Wording, segments,
};
use boxoffice_notifications::mail::{Letter, MailDomain, MessageId, Postman};
use boxoffice_notifications::{Channel, Language, Template};
use boxoffice_saga::money::Money;
use boxoffice_tickets::{Ticket, TicketCode, TicketKeys, qr_png};
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

/// Outside text tries everything: markup, a header of its own, a turn of the reading direction.
fn booking() -> BookingFacts {
    BookingFacts {
        booking_id: BOOKING,
        show_title: "<b>Āag</b> & \"Rāg\"\r\nBcc: everybody@example.com\u{202e}".into(),
        starts_at: Some(datetime!(2026-01-12 19:30 +05:30)),
        venue: Some("Regal, <i>Screen 2</i>".into()),
        seats: vec!["A-1".into(), "A-2".into()],
        status_url: Some(format!(
            "https://example.com/v1/bookings/{BOOKING}?token=abc"
        )),
    }
}

fn money(minor: i64) -> Money {
    Money::new(minor, "INR".parse().unwrap())
}

fn ticket(seats: &[String]) -> TicketCode {
    let keys = TicketKeys::new("k1", "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=").unwrap();
    Ticket::new(BOOKING, 7, seats.to_vec(), AT)
        .unwrap()
        .sign(&keys)
}

/// The message of that occasion. The compiler asks for each new one.
fn message(template: Template, booking: BookingFacts, amount: Money) -> Box<dyn Wording> {
    match template {
        Template::BookingConfirmed => Box::new(BookingConfirmed {
            ticket: ticket(&booking.seats),
            booking,
            amount,
        }),
        Template::BookingFailedRefunding => Box::new(BookingFailedRefunding {
            booking,
            amount,
            reason: ReturnReason::SeatsLost,
            expected_by: Some(date!(2026 - 01 - 09)),
        }),
        Template::Refunded => Box::new(Refunded {
            booking,
            amount,
            refunded_on: date!(2026 - 01 - 04),
            reference: Some("74027 <1>".into()),
        }),
        Template::HoldExpiring => Box::new(HoldExpiring {
            booking,
            amount,
            expires_at: datetime!(2026-01-02 09:04 +05:30),
            minutes_left: 2,
        }),
        Template::HoldExpired => Box::new(HoldExpired { booking }),
        Template::BookingCancelled => Box::new(BookingCancelled {
            booking,
            by: CancelledBy::Show,
            returning: Some(amount),
        }),
    }
}

/// Every message in each of its forms, as far as words differ.
fn variants() -> Vec<Box<dyn Wording>> {
    let mut all: Vec<_> = Template::ALL
        .into_iter()
        .map(|template| message(template, booking(), money(12_345_600)))
        .collect();
    for reason in REASONS {
        all.push(Box::new(returning(reason)));
    }
    all.push(Box::new(BookingFailedRefunding {
        expected_by: None,
        ..returning(ReturnReason::SecondPayment)
    }));
    all.push(Box::new(Refunded {
        booking: booking(),
        amount: money(12_345_600),
        refunded_on: date!(2026 - 01 - 04),
        reference: None,
    }));
    for by in [CancelledBy::Customer, CancelledBy::BoxOffice] {
        let booking = booking();
        let returning = None;
        all.push(Box::new(BookingCancelled {
            booking,
            by,
            returning,
        }));
    }
    let one = BookingFacts {
        seats: vec!["A-1".into()],
        ..booking()
    };
    all.push(message(Template::BookingConfirmed, one, money(1)));
    all
}

const REASONS: [ReturnReason; 7] = [
    ReturnReason::SeatsLost,
    ReturnReason::SecondPayment,
    ReturnReason::WrongAmount,
    ReturnReason::WrongCurrency,
    ReturnReason::BookingCancelled,
    ReturnReason::ShowCancelled,
    ReturnReason::PaidAfterCancellation,
];

fn returning(reason: ReturnReason) -> BookingFailedRefunding {
    BookingFailedRefunding {
        booking: booking(),
        amount: money(12_345_600),
        reason,
        expected_by: Some(date!(2026 - 01 - 09)),
    }
}

fn id(template: Template) -> MessageId {
    let domain = MailDomain::new("mail.example.com").unwrap();
    MessageId::new(Uuid::from_u128(0xca05e), template, BOOKING, &domain)
}

fn write(wording: &dyn Wording, language: Language) -> Letter {
    let id = id(wording.template());
    Letter::write(wording, language, &letterhead(), "asha@example.com", id, AT).unwrap()
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

/// Whether a letter of an alphabet is one in which `language` is written.
fn own_letter(language: Language, c: char) -> bool {
    match language {
        Language::English => c.is_ascii_alphabetic(),
        Language::Hindi => ('\u{900}'..='\u{97f}').contains(&c),
    }
}

#[tokio::test]
async fn every_letter_arrives_whole_in_every_language() {
    for template in Template::ALL {
        for language in Language::ALL {
            let message = message(template, booking(), money(12_345_600));
            let bytes = posted(&write(&*message, language)).await;
            assert!(bytes.is_ascii(), "nothing depends on 8BITMIME");
            check(&read(&bytes), template, language);
        }
    }
}

fn check(message: &Message<'_>, template: Template, language: Language) {
    assert_eq!(message.message_id().unwrap(), id(template).as_str());
    let to = message.to().unwrap().first().unwrap();
    assert_eq!(to.address().unwrap(), "asha@example.com");
    let from = message.from().unwrap().first().unwrap();
    assert_eq!(from.address().unwrap(), "tickets@example.com");
    assert_eq!(from.name().unwrap(), "The Böx Office");
    assert_eq!(message.date().unwrap().to_rfc3339(), "2026-01-02T03:04:05Z");
    assert!(message.bcc().is_none(), "a title cannot add a header");
    let automatic = message.header_raw("Auto-Submitted").unwrap().trim();
    assert_eq!(automatic, "auto-generated");
    let text = message.body_text(0).unwrap().replace("\r\n", "\n");
    let html = message.body_html(0).unwrap().into_owned();
    let mut facts = vec![
        "A-1, A-2",
        "19:30 (UTC+05:30)",
        "?token=abc",
        "help@example.com",
    ];
    let booking = BOOKING.to_string();
    facts.push(&booking);
    if template != Template::HoldExpired {
        facts.push("₹1,23,456.00");
    }
    facts.push(match language {
        Language::English => "Monday, 12 January 2026",
        Language::Hindi => "सोमवार, 12 जनवरी 2026",
    });
    for fact in facts {
        assert!(text.contains(fact), "{fact} in\n{text}");
        assert!(html.contains(fact), "{fact} in\n{html}");
    }
    let subject = message.subject().unwrap();
    assert!(subject.contains("<b>Āag</b>"), "{subject}");
    assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())));
    let title = "<b>Āag</b> & \"Rāg\"  Bcc: everybody@example.com\n";
    assert!(text.contains(title), "{text}");
    assert!(text.contains("Regal, <i>Screen 2</i>\n"), "{text}");
    let title = "&lt;b&gt;Āag&lt;/b&gt; &amp; &quot;Rāg&quot;";
    assert!(html.contains(title), "{html}");
    assert!(
        html.contains("Regal, &lt;i&gt;Screen 2&lt;/i&gt;"),
        "{html}"
    );
    for tag in ["<b>", "<i>", "<script"] {
        assert!(!html.contains(tag), "{tag} in\n{html}");
    }
}

#[test]
fn no_letter_lacks_a_language_or_keeps_a_placeholder() {
    for message in variants() {
        let template = message.template();
        let mut lines_of = Vec::new();
        for language in Language::ALL {
            let letter = write(&*message, language);
            for said in [&letter.subject, &letter.text, &letter.html] {
                assert!(!said.contains(['{', '}']), "{template:?}: {said}");
            }
            let own = |said: &str| said.chars().any(|c| own_letter(language, c));
            assert!(own(&letter.subject), "{}", letter.subject);
            // What we say, without what we repeat.
            let data = |line: &&str| {
                !line.is_empty()
                    && *line != letterhead().name
                    && message.ticket().is_none_or(|code| code.as_str() != *line)
            };
            let lines: Vec<String> = letter
                .text
                .lines()
                .filter(data)
                .map(str::to_owned)
                .collect();
            for line in &lines {
                let words = line.split(':').next().unwrap();
                assert!(own(words), "{template:?} in {language:?}: {line}");
            }
            lines_of.push((language, lines));
        }
        for (at, (one, lines)) in lines_of.iter().enumerate() {
            for (other, others) in &lines_of[at + 1..] {
                for line in lines {
                    assert!(!others.contains(line), "{one:?} in {other:?}: {line}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_ticket_letter_carries_code_picture_and_attachment() {
    for language in Language::ALL {
        let message = message(Template::BookingConfirmed, booking(), money(45_000));
        let ticket = message.ticket().unwrap();
        let bytes = posted(&write(&*message, language)).await;
        let letter = read(&bytes);
        let html = letter.body_html(0).unwrap();
        assert!(html.contains(ticket.as_str()));
        assert!(letter.body_text(0).unwrap().contains(ticket.as_str()));

        let picture = qr_png(ticket).unwrap();
        let pictures: Vec<_> = letter
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
            let name = format!("ticket-{BOOKING}.png");
            assert_eq!(part.attachment_name().unwrap(), name);
        }
        let cid = pictures.iter().find_map(|part| part.content_id()).unwrap();
        let source = format!("src=\"cid:{cid}\"");
        assert!(html.contains(&source), "{cid} in\n{html}");
        let kind = |part: &mail_parser::MessagePart<'_>| {
            part.content_type()
                .and_then(|kind| kind.subtype().map(str::to_owned))
        };
        let kinds: Vec<_> = letter.parts.iter().filter_map(kind).collect();
        let expected = "mixed alternative plain related html png png";
        assert_eq!(kinds, expected.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn letters_say_how_much_why_and_when() {
    let text = |template, language| write(&*message(template, booking(), money(45_000)), language);
    for (template, language, subject, said) in [
        (
            Template::BookingFailedRefunding,
            Language::English,
            "Your money is on its way back: ",
            [
                "₹450.00",
                "9 January 2026",
                "not all of them were free",
                "book again",
            ],
        ),
        (
            Template::BookingFailedRefunding,
            Language::Hindi,
            "आपका पैसा आपको लौटाया जा रहा है: ",
            ["₹450.00", "9 जनवरी 2026", "आपका पैसा सुरक्षित है", "फिर से बुक"],
        ),
        (
            Template::Refunded,
            Language::English,
            "Your refund of ₹450.00: ",
            ["74027 <1>", "4 January 2026", "Refund reference", "₹450.00"],
        ),
        (
            Template::Refunded,
            Language::Hindi,
            "आपका ₹450.00 का रिफ़ंड: ",
            ["74027 <1>", "4 जनवरी 2026", "रिफ़ंड संख्या", "₹450.00"],
        ),
        (
            Template::HoldExpiring,
            Language::English,
            "Your seats are held for a little longer: ",
            [
                "09:04 (UTC+05:30)",
                "about 2 minutes",
                "Please do not pay a second time",
                "Held until",
            ],
        ),
        (
            Template::HoldExpired,
            Language::English,
            "Your seats are no longer held: ",
            [
                "no money has been taken",
                "nothing you need to do",
                "choose your seats again",
                "A-1",
            ],
        ),
        (
            Template::BookingCancelled,
            Language::English,
            "Your booking is cancelled: ",
            [
                "The show has been cancelled",
                "₹450.00",
                "no longer valid",
                "write again",
            ],
        ),
    ] {
        let letter = text(template, language);
        assert!(letter.subject.starts_with(subject), "{}", letter.subject);
        for said in said {
            assert!(letter.text.contains(said), "{said} in\n{}", letter.text);
        }
    }
}

#[test]
fn a_good_booking_is_never_called_failed() {
    let write = |reason| write(&returning(reason), Language::English).text;
    let second = write(ReturnReason::SecondPayment);
    assert!(second.contains("Your booking stays as it is"));
    assert!(second.contains("do not pay for this booking again"));
    for reason in REASONS {
        let text = write(reason);
        assert!(!text.to_lowercase().contains("failed"), "{text}");
        assert!(text.contains("Your money is safe"));
        let invites = text.contains("you can book again");
        assert_eq!(invites, reason == ReturnReason::SeatsLost, "{reason:?}");
    }
    // No money, no word of it.
    let cancelled = BookingCancelled {
        booking: booking(),
        by: CancelledBy::Customer,
        returning: None,
    };
    assert!(
        !self::write(&cancelled, Language::English)
            .text
            .contains("money")
    );
}

#[test]
fn the_same_data_make_the_same_letter() {
    for message in variants() {
        for language in Language::ALL {
            assert_eq!(write(&*message, language), write(&*message, language));
        }
    }
}

#[test]
fn short_messages_are_short_whatever_is_in_them() {
    let titles = [
        "Rāg".to_owned(),
        "The Importance of Being Earnest, a Trivial Comedy for Serious People".to_owned(),
        "आषाढ़ का एक दिन, मोहन राकेश का नाटक, नए कलाकारों के साथ".repeat(3),
        "🎭".repeat(100),
        String::new(),
    ];
    for title in titles {
        for (seats, minor) in [(1, 45_000), (2, 12_345_600), (10, i64::MAX)] {
            let booking = BookingFacts {
                show_title: title.clone(),
                seats: (0..seats)
                    .map(|seat| format!("BALCONY-LEFT-{seat:03}"))
                    .collect(),
                ..booking()
            };
            for template in Template::ALL {
                let message = message(template, booking.clone(), money(minor));
                for language in Language::ALL {
                    let short = message.short(language);
                    assert_eq!(
                        short.is_some(),
                        Channel::Sms.takes(template),
                        "{template:?}"
                    );
                    assert_eq!(
                        short.is_some(),
                        Channel::Push.takes(template),
                        "{template:?}"
                    );
                    let Some(short) = short else { continue };
                    let (_, count) = segments(&short);
                    assert!(count <= MOST_SEGMENTS, "{count} segments: {short}");
                    assert!(!short.contains(['{', '}', '\n']), "{short}");
                }
            }
        }
    }
}

#[test]
fn a_usual_short_message_in_english_stays_in_the_small_alphabet() {
    for template in Template::ALL {
        let booking = BookingFacts {
            show_title: "The Importance of Being Earnest".into(),
            ..booking()
        };
        let message = message(template, booking, money(12_345_600));
        let (Some(english), Some(hindi)) = (
            message.short(Language::English),
            message.short(Language::Hindi),
        ) else {
            continue;
        };
        assert_eq!(segments(&english), (Encoding::Gsm7, 1), "{english}");
        assert!(
            english.contains("The Importance of Being Earnest"),
            "{english}"
        );
        assert!(hindi.contains("The Importance"), "{hindi}");
        assert_ne!(english, hindi);
    }
}
