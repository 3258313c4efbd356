//! Writes of a turn its tasks, the answers to calls, and what customers were told by them.

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::World;
use uuid::Uuid;

use super::commit::column;
use super::writes::{Writes, part};
use crate::claim::Appends;
use crate::error::TurnError;

/// Whether a task is removed and then set again, for which two statements are needed.
pub fn are_set_anew(world: &World) -> bool {
    let changes = &world.changes;
    let added = changes.tasks_added.iter().map(|task| &task.key);
    let postponed = changes.tasks_postponed.iter().map(|(key, _)| key);
    added
        .chain(postponed)
        .any(|key| changes.tasks_removed.contains(key))
}

fn kinds<'a>(keys: impl Iterator<Item = &'a TaskKey>) -> (Vec<String>, Vec<Uuid>, Vec<i32>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        columns.0.push(key.kind.name().to_owned());
        columns.1.push(key.subject);
        columns.2.push(key.generation.cast_signed());
    }
    columns
}

pub fn removed(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    if world.changes.tasks_removed.is_empty() {
        return Ok(());
    }
    let (kinds, subjects, generations) = kinds(world.changes.tasks_removed.iter());
    // `kind || ''` leaves only the key's index: migration 20261121180000 says why.
    part!(
        writes as removed,
        "delete from tasks t
         using unnest($1::text[], $2::uuid[], $3::int[]) as c (kind, subject, generation)
         where t.subject = c.subject and t.generation = c.generation and t.kind || '' = c.kind",
        &kinds,
        &subjects,
        &generations,
    );
    Ok(())
}

pub fn postponed(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows = &world.changes.tasks_postponed;
    if rows.is_empty() {
        return Ok(());
    }
    let (kinds, subjects, generations) = kinds(rows.iter().map(|(key, _)| key));
    // `kind || ''` leaves only the key's index: migration 20261121180000 says why.
    part!(writes as postponed, "update tasks t set due_at = c.due_at, lease_until = null, lease_token = null
         from unnest($1::text[], $2::uuid[], $3::int[], $4::timestamptz[]) as c (kind, subject, generation, due_at)
         where t.subject = c.subject and t.generation = c.generation and t.kind || '' = c.kind",
        &kinds,
        &subjects,
        &generations,
        &column(rows, |(_, due_at)| *due_at),
    );
    Ok(())
}

pub fn added(writes: &mut Writes, world: &World) -> Result<(), TurnError> {
    let rows = &world.changes.tasks_added;
    if rows.is_empty() {
        return Ok(());
    }
    let (once, others): (Vec<_>, Vec<_>) = rows.iter().partition(|task| task.key.kind.once());
    if !others.is_empty() {
        let (kinds, subjects, generations) = kinds(others.iter().map(|task| &task.key));
        part!(writes as added, "insert into tasks (kind, subject, generation, booking_id, due_at, detail, gateway, mass_show)
             select * from unnest($1::text[], $2::uuid[], $3::int[], $4::uuid[], $5::timestamptz[], $6::text[],
                 $7::text[], $8::bigint[])
             on conflict do nothing",
            &kinds,
            &subjects,
            &generations,
            &column(&others, |task| task.booking.map(BookingId::uuid)) as &[Option<Uuid>],
            &column(&others, |task| task.due_at),
            &column(&others, |task| task.detail.clone()) as &[Option<String>],
            &column(&others, |task| gateway(world, task)),
            &column(&others, |task| mass_show(task)),
        );
    }
    if !once.is_empty() {
        // What was tried before is there, or finished.
        let (kinds, subjects, generations) = kinds(once.iter().map(|task| &task.key));
        part!(writes as added_once, "insert into tasks (kind, subject, generation, booking_id, due_at, detail)
             select * from unnest($1::text[], $2::uuid[], $3::int[], $4::uuid[], $5::timestamptz[], $6::text[])
                 as c (kind, subject, generation, booking_id, due_at, detail)
             where not exists (select from attempts a
                               where a.kind = c.kind and a.subject = c.subject and a.generation = c.generation)
             on conflict do nothing",
            &kinds,
            &subjects,
            &generations,
            &column(&once, |task| task.booking.map(BookingId::uuid)) as &[Option<Uuid>],
            &column(&once, |task| task.due_at),
            &column(&once, |task| task.detail.clone()) as &[Option<String>],
        );
    }
    Ok(())
}

/// The gateway account that a task calls: that of the payment, or of the refund's payment, that it is about.
fn gateway(world: &World, task: &Task) -> String {
    let subject = task.key.subject;
    let payment = world
        .refunds
        .get(&subject.into())
        .map_or_else(|| subject.into(), |refund| refund.payment);
    let payment = world.payments.get(&payment);
    payment.map_or_else(String::new, |payment| payment.account.to_string())
}

/// The show that a task can be paused with.
fn mass_show(task: &Task) -> i64 {
    let booking = task
        .booking
        .filter(|_| task.key.kind == TaskKind::MassRefund);
    booking.map_or(0, |booking| booking.show().as_i64())
}

pub fn answers(writes: &mut Writes, appends: &Appends) -> Result<(), TurnError> {
    let rows = &appends.attempts_answered;
    if rows.is_empty() {
        return Ok(());
    }
    let (kinds, subjects, generations) = kinds(rows.iter().map(|(key, _, _)| key));
    part!(
        writes as answers,
        "update attempts a set answered_at = clock_timestamp(), answer = c.answer
         from unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::text[])
             as c (kind, subject, generation, attempt, answer)
         where a.kind = c.kind and a.subject = c.subject and a.generation = c.generation
           and a.attempt = c.attempt",
        &kinds,
        &subjects,
        &generations,
        &column(rows, |(_, attempt, _)| attempt.cast_signed()),
        &column(rows, |(_, _, answer)| answer.clone()),
    );
    Ok(())
}

pub fn deliveries(writes: &mut Writes, appends: &Appends) -> Result<(), TurnError> {
    let rows = &appends.deliveries;
    if rows.is_empty() {
        return Ok(());
    }
    part!(writes as delivered, "insert into deliveries (show_id, booking_id, channel, template, language, message_id, outcome, reason,
             attempt, at)
         select * from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::int[], $10::timestamptz[])",
        &column(rows, |row| row.booking.show().as_i64()),
        &column(rows, |row| row.booking.uuid()),
        &column(rows, |row| row.channel.to_owned()),
        &column(rows, |row| row.template.to_owned()),
        &column(rows, |row| row.language.map(str::to_owned)) as &[Option<String>],
        &column(rows, |row| row.message_id.clone()),
        &column(rows, |row| row.outcome.to_owned()),
        &column(rows, |row| row.reason.clone()) as &[Option<String>],
        &column(rows, |row| row.attempt.cast_signed()),
        &column(rows, |row| row.at),
    );
    Ok(())
}
