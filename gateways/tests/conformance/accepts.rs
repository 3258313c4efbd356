//! What is genuine is accepted, read as documented, and read the same from Kafka later.

use boxoffice_gateways::{Gateways, Unreadable, WebhookRecord};
use boxoffice_saga::fact::Reading;
use bytes::Bytes;

use crate::door::{Became, Sent, T, Tested, became, readings, says, unix};
use crate::doors;

#[test]
fn every_genuine_event_is_read_as_documented() {
    for tested in doors::all() {
        let gateways = tested.gateways();
        for sample in &tested.samples {
            let name = format!("{} {}", tested.name, sample.kind);
            let sent = tested.sent(sample.body.as_bytes());
            let Became::Read(readings) = became(&tested, &gateways, &sent, T) else {
                panic!("{name}: {:?}", became(&tested, &gateways, &sent, T));
            };
            let said: Vec<_> = readings.iter().map(|reading| says(&reading.fact)).collect();
            assert_eq!(said, sample.says, "{name}");
            assert_eq!(readings[0].kind, sample.kind, "{name}");
            let again = kept(&tested, &gateways, &sent);
            assert_eq!(again, Ok(readings), "{name}");
        }
    }
}

#[test]
fn two_events_are_two_and_one_that_comes_again_is_one() {
    for tested in doors::all() {
        let gateways = tested.gateways();
        let ids = |body: &str| match became(&tested, &gateways, &tested.sent(body.as_bytes()), T) {
            Became::Read(readings) => readings
                .into_iter()
                .map(|reading| reading.event_id)
                .collect::<Vec<_>>(),
            other => panic!("{}: {other:?}", tested.name),
        };
        for sample in &tested.samples {
            assert_eq!(ids(&sample.body), ids(&sample.body), "{}", tested.name);
            for id in ids(&sample.body) {
                assert!((1..=400).contains(&id.len()), "{}: {id:?}", tested.name);
                assert!(
                    id.bytes().all(|c| c.is_ascii_graphic()),
                    "{}: {id:?}",
                    tested.name
                );
            }
        }
    }
}

/// The other side of Kafka: verified and read once more from the record alone.
pub fn kept(tested: &Tested, gateways: &Gateways, sent: &Sent) -> Result<Vec<Reading>, Unreadable> {
    let account = tested.account();
    let door = gateways.door(&account).unwrap();
    let headers = sent.map().unwrap();
    let body = Bytes::copy_from_slice(&sent.body);
    let mut again = Vec::new();
    for (item, reading) in (0..).zip(readings(door, &headers, &sent.body)?) {
        let (account, body) = (account.clone(), body.clone());
        let item = (item, &Ok(reading));
        let (record, _) = WebhookRecord::received(account, door, &headers, body, item, unix(T));
        let written = record.to_headers();
        let parts = written
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let back = WebhookRecord::from_parts(parts, record.body.clone()).unwrap();
        again.push(
            gateways
                .reverify(&back)
                .unwrap_or_else(|error| panic!("{}: {error}", tested.name)),
        );
    }
    Ok(again)
}
