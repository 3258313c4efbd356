//! The way of one call: who asks, has it been asked before, is it refused, what does it do, and does the
//! answer arrive.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;

use crate::answer::Answer;
use crate::behaviour::{Call, LoseHow, Refusal};
use crate::books::{Books, CallRecord, KeptAnswer};
use crate::delivery;
use crate::sim::Sim;
use crate::wire::{Acted, Asked, Trouble, Wire};

/// What the caller gets to see.
enum Seen {
    Answer { answer: Answer, replayed: bool },
    Lost(LoseHow),
}

/// Serves one call. It goes on to its end even if the caller hangs up, as at a real gateway.
pub(crate) async fn serve(sim: Arc<Sim>, asked: Asked) -> Response {
    let speaks = asked.wire.speaks();
    match tokio::spawn(run(sim, asked)).await {
        Ok(Seen::Answer { answer, replayed }) => answer.into_response(replayed),
        Ok(Seen::Lost(LoseHow::Hang)) => std::future::pending().await,
        // Headers, then a body that breaks off: the connection closes under the caller.
        Ok(Seen::Lost(_)) => {
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(broken)])))
        }
        Err(_) => speaks.trouble(Trouble::Failed).into_response(false),
    }
}

async fn run(sim: Arc<Sim>, asked: Asked) -> Seen {
    let speaks = asked.wire.speaks();
    let fresh = speaks.fresh();
    let key = asked.idempotency_key.clone();
    let key = key
        .filter(|_| speaks.takes_keys(asked.call))
        .map(|key| format!("{:?} {key}", asked.wire));
    let asked_text = format!("{:?} {:?} {:?}", asked.call, asked.id, asked.form.sorted());

    let _claim = match &key {
        Some(key) => match sim.claim(key) {
            Some(claim) => Some(claim),
            None => return in_use(&sim, &asked),
        },
        None => None,
    };
    let (name, act_after) = {
        let mut books = sim.books();
        if let Some(status) = books.outage {
            let refusal = Refusal {
                times: 1,
                status,
                code: None,
                retry_after: None,
            };
            return note(&sim, &mut books, &asked, speaks.refused(&refusal));
        }
        if !speaks.allows(&sim.options, &books, &asked) {
            let answer = speaks.trouble(Trouble::Unauthorised);
            return note(&sim, &mut books, &asked, answer);
        }
        if let Some(key) = &key
            && let Some(seen) = before(&sim, &mut books, &asked, key, &asked_text)
        {
            return seen;
        }
        let name = behaviour_name(&books, &asked, &fresh);
        let after = name
            .as_ref()
            .and_then(|name| books.behaviour(name).act_after_ms.get(&asked.call).copied());
        (name, after)
    };
    if let Some(after) = act_after {
        tokio::time::sleep(Duration::from_millis(after)).await;
    }
    let (seen, hold) = {
        let mut books = sim.books();
        effect(
            &sim,
            &mut books,
            &asked,
            name.as_deref(),
            &fresh,
            key.as_deref(),
            asked_text,
        )
    };
    sim.dirty.notify_one();
    if hold > 0 {
        tokio::time::sleep(Duration::from_millis(hold)).await;
    }
    seen
}

/// Refuses or acts, remembers the answer, tells the world. With the milliseconds to hold the answer.
fn effect(
    sim: &Arc<Sim>,
    books: &mut Books,
    asked: &Asked,
    name: Option<&str>,
    fresh: &str,
    key: Option<&str>,
    asked_text: String,
) -> (Seen, u64) {
    let now = sim.now();
    let refusal = name.and_then(|name| {
        let refusal = books
            .behaviour(name)
            .refuse
            .get_mut(&asked.call)
            .filter(|refusal| refusal.times > 0)?;
        refusal.times -= 1;
        Some(refusal.clone())
    });
    let behaviour = name
        .map(|name| books.behaviour(name).clone())
        .unwrap_or_default();
    let refused = refusal.is_some();
    let speaks = asked.wire.speaks();
    let Acted {
        mut answer,
        happened,
    } = match &refusal {
        Some(refusal) => speaks.refused(refusal).into(),
        None => speaks.act(books, asked, fresh, &behaviour, now),
    };
    let mut lost = None;
    if !refused && behaviour.lose_answer == Some(asked.call) {
        lost = Some(behaviour.lose_how);
        if let Some(name) = name {
            books.behaviour(name).lose_answer = None;
        }
        if behaviour.lose_how == LoseHow::Status500 {
            answer = speaks.trouble(Trouble::Failed);
        }
    }
    if let Some(key) = key
        && speaks.keeps(&answer)
    {
        let kept = KeptAnswer {
            asked: asked_text,
            answer: answer.clone(),
            at: now,
        };
        books.keys.insert(key.to_owned(), kept);
    }
    let payment = payment_of(asked, fresh);
    log(
        sim,
        books,
        asked,
        payment.as_deref(),
        answer.status,
        false,
        lost.is_some(),
    );
    for event in happened {
        delivery::publish(sim, books, event, &behaviour.webhook);
    }
    let seen = match lost {
        Some(how @ (LoseHow::Drop | LoseHow::Hang)) => Seen::Lost(how),
        Some(LoseHow::Status500) | None => Seen::Answer {
            answer,
            replayed: false,
        },
    };
    (seen, behaviour.hold_answer_ms)
}

/// What a gateway answers under a key that it remembers. None: it does not remember.
fn before(sim: &Sim, books: &mut Books, asked: &Asked, key: &str, text: &str) -> Option<Seen> {
    let kept = books.keys.get(key)?;
    if (sim.now() - kept.at).whole_seconds() >= asked.wire.speaks().keys_live() {
        books.keys.remove(key);
        return None;
    }
    if kept.asked != text {
        let answer = asked.wire.speaks().trouble(Trouble::OtherParameters);
        return Some(note(sim, books, asked, answer));
    }
    let answer = kept.answer.clone();
    // A replayed creation is about the payment that the first one made.
    let made = answer
        .body
        .get("id")
        .and_then(|id| id.as_str())
        .map(str::to_owned);
    let payment = if asked.call == Call::Create {
        made
    } else {
        payment_of(asked, "")
    };
    log(
        sim,
        books,
        asked,
        payment.as_deref(),
        answer.status,
        true,
        false,
    );
    Some(Seen::Answer {
        answer,
        replayed: true,
    })
}

fn in_use(sim: &Sim, asked: &Asked) -> Seen {
    let answer = asked.wire.speaks().trouble(Trouble::KeyInUse);
    note(sim, &mut sim.books(), asked, answer)
}

/// An answer from the door, without effect, but written down.
fn note(sim: &Sim, books: &mut Books, asked: &Asked, answer: Answer) -> Seen {
    let payment = payment_of(asked, "");
    log(
        sim,
        books,
        asked,
        payment.as_deref(),
        answer.status,
        false,
        false,
    );
    Seen::Answer {
        answer,
        replayed: false,
    }
}

fn log(
    sim: &Sim,
    books: &mut Books,
    asked: &Asked,
    payment: Option<&str>,
    status: u16,
    replayed: bool,
    answer_lost: bool,
) {
    let record = CallRecord {
        at: sim.now(),
        call: asked.call,
        key: asked.idempotency_key.clone(),
        status,
        replayed,
        answer_lost,
    };
    books.calls_about(payment).push(record);
}

/// The payment, refund or order that a call is about.
fn payment_of(asked: &Asked, fresh: &str) -> Option<String> {
    match asked.call {
        Call::Create => Some(fresh.to_owned()),
        _ if asked.id.is_some() => asked.id.clone(),
        // Stripe's, which name the payment in the form.
        _ => asked.form.get("payment_intent").map(str::to_owned),
    }
}

/// The name of the behaviour that the call meets. None for calls about no payment in particular.
fn behaviour_name(books: &Books, asked: &Asked, fresh: &str) -> Option<String> {
    if asked.call == Call::Create {
        let metadata = asked.form.map(match asked.wire {
            Wire::Stripe | Wire::Adyen => "metadata",
            Wire::Razorpay => "notes",
            Wire::Cashfree => "order_tags",
        });
        return Some(books.behaviour_name(fresh, &metadata));
    }
    let about = payment_of(asked, "")?;
    let (id, metadata) = books.subject(&about)?;
    Some(books.behaviour_name(id, metadata))
}
