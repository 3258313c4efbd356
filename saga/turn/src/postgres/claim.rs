//! Claims: positions, idempotency keys, the inbox.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::commit::column;
use crate::claim::{EventKey, KeyClaim, KeyState, PositionClaim};
use crate::error::TurnError;

/// Compares and sets the positions of all partitions in this turn, all or nothing, and looks events up in the inbox:
/// those that are there.
pub async fn positions_and_events(
    db: &mut PgConnection,
    claims: &[PositionClaim],
    events: &[EventKey],
) -> Result<BTreeSet<EventKey>, TurnError> {
    if claims.is_empty() && events.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut claims: Vec<_> = claims.iter().collect();
    claims.sort();
    let rows = sqlx::query!(
        r#"with claimed as (
             select cp.consumer, cp.topic, cp.partition, c.epoch, c.was, c.becomes
             from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
                    as c (consumer, topic, partition, epoch, was, becomes)
             join consumer_positions cp using (consumer, topic, partition)
             order by cp.consumer, cp.topic, cp.partition
             for update of cp
           ), moved as (
             update consumer_positions cp
             set next_offset = claimed.becomes, updated_at = clock_timestamp()
             from claimed
             where cp.consumer = claimed.consumer and cp.topic = claimed.topic
               and cp.partition = claimed.partition and cp.epoch = claimed.epoch
               and cp.next_offset is not distinct from claimed.was
             returning cp.topic, cp.partition
           )
           select topic as "topic?", partition as "partition?", null as source, null as event_id from moved
           union all
           select null, null, i.source, i.event_id
           from unnest($7::text[], $8::text[]) as e (source, event_id) join inbox i using (source, event_id)"#,
        &column(&claims, |claim| claim.consumer.clone()),
        &column(&claims, |claim| claim.topic.clone()),
        &column(&claims, |claim| claim.partition),
        &column(&claims, |claim| claim.epoch),
        &column(&claims, |claim| claim.from) as &[Option<i64>],
        &column(&claims, |claim| claim.to),
        &column(events, |event| event.source.clone()),
        &column(events, |event| event.event_id.clone()),
    )
    .fetch_all(db)
    .await?;
    let lost = claims.iter().find(|claim| {
        !rows.iter().any(|row| {
            row.topic.as_ref() == Some(&claim.topic) && row.partition == Some(claim.partition)
        })
    });
    if let Some(claim) = lost {
        return Err(TurnError::PositionLost {
            topic: claim.topic.clone(),
            partition: claim.partition,
        });
    }
    let known = rows
        .into_iter()
        .filter_map(|row| row.source.zip(row.event_id));
    Ok(known
        .map(|(source, event_id)| EventKey { source, event_id })
        .collect())
}

/// Takes the idempotency keys. A concurrent twin on another instance waits here until the first is done,
/// and then gets its answer.
pub async fn keys(
    db: &mut PgConnection,
    claims: &[KeyClaim],
    fresh: &mut Vec<KeyClaim>,
) -> Result<Vec<KeyState>, TurnError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<String> = claims.iter().map(|claim| claim.user.0.clone()).collect();
    let routes: Vec<String> = claims.iter().map(|claim| claim.route.clone()).collect();
    let keys: Vec<String> = claims.iter().map(|claim| claim.key.clone()).collect();
    let hashes: Vec<Vec<u8>> = claims
        .iter()
        .map(|claim| claim.request_hash.clone())
        .collect();
    let created = sqlx::query!(
        r#"insert into idempotency_keys (user_id, route, key, request_hash)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
           order by 1, 2, 3
           on conflict do nothing
           returning user_id, route, key"#,
        &users,
        &routes,
        &keys,
        &hashes,
    )
    .fetch_all(&mut *db)
    .await?;
    let is_fresh = |claim: &KeyClaim| {
        created.iter().any(|row| {
            row.user_id == claim.user.0 && row.route == claim.route && row.key == claim.key
        })
    };
    fresh.extend(claims.iter().filter(|claim| is_fresh(claim)).cloned());
    if fresh.len() == claims.len() {
        return Ok(vec![KeyState::Fresh; claims.len()]);
    }
    let stored = sqlx::query!(
        r#"select k.user_id, k.route, k.key, k.request_hash, k.status, k.body, k.resume
           from unnest($1::text[], $2::text[], $3::text[]) as c (user_id, route, key)
           join idempotency_keys k using (user_id, route, key)"#,
        &users,
        &routes,
        &keys,
    )
    .fetch_all(db)
    .await?;
    claims
        .iter()
        .map(|claim| {
            if is_fresh(claim) {
                return Ok(KeyState::Fresh);
            }
            let row = stored.iter().find(|row| {
                row.user_id == claim.user.0 && row.route == claim.route && row.key == claim.key
            });
            // Gone between the two statements: its twin was undone. The client may simply ask again.
            let row =
                row.ok_or_else(|| TurnError::Busy("an idempotency key's twin was undone".into()))?;
            if row.request_hash != claim.request_hash {
                return Ok(KeyState::OtherRequest);
            }
            match (row.status, &row.body, row.resume) {
                (Some(status), Some(body), _) => Ok(KeyState::Answered {
                    status: u16::try_from(status).map_err(|_| {
                        TurnError::Corrupt(format!("HTTP status {status} under a key"))
                    })?,
                    body: body.clone(),
                }),
                (_, _, Some(resume)) => Ok(KeyState::Begun { resume }),
                _ => Err(TurnError::Corrupt(
                    "an idempotency key without an answer".into(),
                )),
            }
        })
        .collect()
}
