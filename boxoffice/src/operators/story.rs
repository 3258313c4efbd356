//! A booking's story for a person at a terminal.

use boxoffice_booking_api::operators::attention::Item;
use boxoffice_booking_api::operators::story::{
    Line, PaymentNow, RefundNow, Source, Story, What, amount_in_words,
};

use super::saga::task_in_words;
use super::{clock, plain};
use crate::terminal;

/// Where the words of a line begin.
const INDENT: usize = 36;

/// The whole story.
pub fn in_words(story: &Story) -> String {
    let settled = if story.settled {
        "settled"
    } else {
        "not settled"
    };
    let waits = story
        .waiting_for
        .map_or_else(String::new, |whom| format!(", waiting for {whom}"));
    let mut text = format!(
        "booking {} of show {}: {} for {}\n\
         {}, and its customer sees {}, {settled}{waits}\n\
         customer {}\n\
         held {}, promised until {}, others could have its seats from {}\n\
         times are UTC, amounts in minor units\n",
        story.booking_id,
        story.show_id,
        story.seats.join(", "),
        amount_in_words(story.amount),
        story.state,
        serde_json::json!(story.status).as_str().unwrap_or_default(),
        story.user_id,
        clock(story.held_at),
        clock(story.expires_at),
        clock(story.reclaim_at),
    );
    let money = story
        .money
        .iter()
        .map(|balance| {
            format!(
                "  {} {}\n",
                balance.account,
                amount_in_words(balance.amount)
            )
        })
        .collect::<Vec<_>>();
    text += &section("payments", story.payments.iter().map(payment));
    text += &section("refunds", story.refunds.iter().map(refund));
    text += &section("money", money);
    text += &section("story", story.lines.iter().map(line));
    if story.shortened {
        text += "there is more: the oldest lines are left out\n";
    }
    let tasks = story.tasks.iter().map(|task| {
        let words = plain(&task_in_words(task));
        format!("  {words}, about {}\n", task.subject)
    });
    text += &section("open tasks", tasks);
    text += &section("for a person", story.attention.iter().map(item));
    text
}

/// Lines under a title. They are [plain] or hold nothing from outside.
fn section(title: &str, lines: impl IntoIterator<Item = String>) -> String {
    let lines: String = lines.into_iter().collect();
    if lines.is_empty() {
        return format!("\n{} none\n", terminal::bold(title));
    }
    format!("\n{}\n{lines}", terminal::bold(title))
}

fn payment(payment: &PaymentNow) -> String {
    let at_gateway = payment.gateway_payment_id.as_deref().unwrap_or("-");
    let taken = payment.captured.map_or_else(
        || format!("{} asked for", amount_in_words(payment.expected)),
        |money| format!("{} taken", amount_in_words(money)),
    );
    let verdict = payment
        .verdict
        .as_ref()
        .map_or_else(String::new, |verdict| format!(", {verdict}"));
    let kept = match payment.retained_minor {
        0 => String::new(),
        kept => format!(", {kept} of it kept as a fee"),
    };
    let disputes = payment.disputes.iter().map(|dispute| {
        format!(
            ", dispute {} about {} {}",
            dispute.gateway_dispute_id, dispute.amount_minor, dispute.standing
        )
    });
    let disputes: String = disputes.collect();
    let text = format!(
        "  {} at {} as {at_gateway}: {}, {taken}{verdict}{kept}{disputes}\n",
        payment.payment_id, payment.account, payment.standing
    );
    plain(&text)
}

fn refund(refund: &RefundNow) -> String {
    let at_gateway = refund.gateway_refund_id.as_deref().unwrap_or("-");
    let said = |what: &str, words: &Option<String>| {
        words
            .as_ref()
            .map_or_else(String::new, |words| format!(", {what}: {words}"))
    };
    let text = format!(
        "  {} of payment {} as {at_gateway}: {}, {} for {}, key {}{}{}\n",
        refund.refund_id,
        refund.payment_id,
        refund.standing,
        amount_in_words(refund.amount),
        refund.cause,
        refund.gateway_key,
        said("sent another way", &refund.other_way),
        said("proof", &refund.proof),
    );
    plain(&text)
}

fn item(item: &Item) -> String {
    let money = item.amount.map_or_else(String::new, |amount| {
        format!(", {}", amount_in_words(amount))
    });
    format!(
        "  {} {}{money}, since {}: {}\n",
        item.kind,
        item.subject,
        clock(item.since),
        plain(&item.reason)
    )
}

fn line(line: &Line) -> String {
    let (label, details) = match &line.what {
        What::Decision {
            transaction,
            source,
            ..
        } => ("decision", decided(transaction.as_deref(), source.as_ref())),
        What::Money { .. } => ("money", None),
        What::Event {
            position, record, ..
        } => ("event", Some(published(*position, record.as_ref()))),
        What::Call { .. } => ("call", None),
        What::Message { .. } => ("message", None),
        What::Act { .. } => ("operator", None),
        What::Attention { .. } => ("person", None),
        What::Settled { .. } => ("settled", None),
    };
    let mut text = format!("{}  {label:<9}  {}\n", clock(line.at), plain(&line.said));
    if let Some(details) = details {
        text += &terminal::dim(&format!("{:INDENT$}{}", "", plain(&details)));
        text.push('\n');
    }
    text
}

fn published(position: i64, record: Option<&Source>) -> String {
    let mut text = format!("position {position} of the outbox");
    if let Some(record) = record {
        text += &format!(", record {}", place(record));
    }
    text
}

/// Where a record stands.
fn place(source: &Source) -> String {
    format!("{}/{}@{}", source.topic, source.partition, source.offset)
}

fn decided(transaction: Option<&str>, source: Option<&Source>) -> Option<String> {
    let mut details = Vec::new();
    if let Some(source) = source {
        let mut text = format!("record {}", place(source));
        if let (Some(id), Some(kind)) = (&source.event_id, &source.event_kind) {
            text += &format!(", {kind} {id}");
        }
        if let Some(at) = source.received_at {
            text += &format!(", of {}", clock(at));
        }
        details.push(text);
    }
    if let Some(transaction) = transaction {
        details.push(format!("transaction {transaction}"));
    }
    (!details.is_empty()).then(|| details.join("; "))
}
