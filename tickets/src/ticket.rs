//! What a ticket says, and its payload: the bytes that are signed.
//!
//! The payload is binary, not JSON. It is a third of the size (10 seats: about 70 bytes against 200), so
//! that the QR code keeps modules large enough for a cracked phone screen at a gate; and it has exactly one
//! spelling for one ticket, so that the same booking always yields the same code.
//!
//! ```text
//! booking id   16 bytes
//! show id      varint
//! issued at    varint, seconds since 1970
//! seats        varint count, then each: varint length, UTF-8 bytes; sorted
//! ```
//!
//! A varint is LEB128: seven bits a byte, lowest first, the top bit set on all but the last byte.

use time::OffsetDateTime;
use uuid::Uuid;

/// The most seats on one ticket.
pub const MAX_SEATS: usize = 100;

/// The longest seat name, in bytes of UTF-8.
pub const MAX_SEAT_LENGTH: usize = 64;

/// The largest payload in bytes: what still fits a QR code with error correction M.
pub const MAX_PAYLOAD_LENGTH: usize = 1200;

/// The right to enter: one booking, its show and its seats.
///
/// Valid by construction, so that signing cannot fail. Seats are sorted and times are whole seconds, so that
/// two tickets made from the same booking are equal, whatever the order in which its seats were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    booking_id: Uuid,
    show_id: u64,
    seats: Vec<String>,
    issued_at: OffsetDateTime,
}

/// Why no ticket can be made of this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTicket {
    /// No seats, or more than [`MAX_SEATS`].
    #[error("a ticket has 1 to {MAX_SEATS} seats, not {0}")]
    SeatCount(usize),
    /// A seat name is empty, longer than [`MAX_SEAT_LENGTH`] bytes, or has control characters.
    #[error("a seat name has 1 to {MAX_SEAT_LENGTH} bytes and no control characters: {0:?}")]
    SeatName(String),
    /// The same seat twice.
    #[error("seat {0:?} stands twice on the ticket")]
    RepeatedSeat(String),
    /// Issued before 1970.
    #[error("a ticket cannot have been issued before 1970")]
    IssuedAt,
    /// More than [`MAX_PAYLOAD_LENGTH`] bytes: too much for a QR code.
    #[error("{0} bytes do not fit a ticket's QR code, which holds {MAX_PAYLOAD_LENGTH}")]
    TooLarge(usize),
}

impl Ticket {
    /// A ticket for `seats` of one show. `issued_at` is cut to the second and turned into UTC; take it from
    /// the booking (when it was confirmed), never from a clock, so that the code can be made again.
    pub fn new(
        booking_id: Uuid,
        show_id: u64,
        mut seats: Vec<String>,
        issued_at: OffsetDateTime,
    ) -> Result<Self, InvalidTicket> {
        if seats.is_empty() || seats.len() > MAX_SEATS {
            return Err(InvalidTicket::SeatCount(seats.len()));
        }
        seats.sort_unstable();
        for seat in &seats {
            let length_fits = (1..=MAX_SEAT_LENGTH).contains(&seat.len());
            if !length_fits || seat.chars().any(char::is_control) {
                return Err(InvalidTicket::SeatName(seat.clone()));
            }
        }
        if let Some([seat, _]) = seats.array_windows::<2>().find(|[a, b]| a == b) {
            return Err(InvalidTicket::RepeatedSeat(seat.clone()));
        }
        let seconds = issued_at.unix_timestamp();
        let issued_at =
            OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| InvalidTicket::IssuedAt)?;
        if seconds < 0 {
            return Err(InvalidTicket::IssuedAt);
        }
        let ticket = Self {
            booking_id,
            show_id,
            seats,
            issued_at,
        };
        match ticket.payload().len() {
            length if length > MAX_PAYLOAD_LENGTH => Err(InvalidTicket::TooLarge(length)),
            _ => Ok(ticket),
        }
    }

    /// The booking that this ticket belongs to.
    pub fn booking_id(&self) -> Uuid {
        self.booking_id
    }

    /// The show's number.
    pub fn show_id(&self) -> u64 {
        self.show_id
    }

    /// The seats, sorted by their bytes; never empty, no seat twice.
    pub fn seats(&self) -> &[String] {
        &self.seats
    }

    /// When it was issued: UTC, whole seconds.
    pub fn issued_at(&self) -> OffsetDateTime {
        self.issued_at
    }

    /// The signed bytes.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(self.booking_id.as_bytes());
        push_varint(&mut bytes, self.show_id);
        push_varint(&mut bytes, self.issued_at.unix_timestamp().unsigned_abs());
        push_varint(&mut bytes, self.seats.len() as u64);
        for seat in &self.seats {
            push_varint(&mut bytes, seat.len() as u64);
            bytes.extend_from_slice(seat.as_bytes());
        }
        bytes
    }

    /// Reads a payload back. `None` for anything that [`Ticket::payload`] does not write, byte for byte.
    pub(crate) fn from_payload(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let booking_id = Uuid::from_slice(take(&mut rest, 16)?).ok()?;
        let show_id = take_varint(&mut rest)?;
        let seconds = i64::try_from(take_varint(&mut rest)?).ok()?;
        let count = usize::try_from(take_varint(&mut rest)?).ok()?;
        if count > MAX_SEATS {
            return None;
        }
        let mut seats = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::try_from(take_varint(&mut rest)?).ok()?;
            seats.push(
                std::str::from_utf8(take(&mut rest, length)?)
                    .ok()?
                    .to_owned(),
            );
        }
        let issued_at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let ticket = Self::new(booking_id, show_id, seats, issued_at).ok()?;
        (ticket.payload() == bytes).then_some(ticket)
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value as u8) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    fn names(seats: &[&str]) -> Vec<String> {
        seats.iter().map(|&seat| seat.to_owned()).collect()
    }

    #[test]
    fn order_of_seats_and_parts_of_a_second_do_not_matter() {
        let id = Uuid::from_u128(7);
        let one = Ticket::new(
            id,
            1,
            names(&["B-2", "A-1"]),
            datetime!(2026-01-02 03:04:05.678 UTC),
        );
        let two = Ticket::new(
            id,
            1,
            names(&["A-1", "B-2"]),
            datetime!(2026-01-02 08:34:05 +05:30),
        );
        assert_eq!(one, two);
        assert_eq!(one.unwrap().payload(), two.unwrap().payload());
    }

    #[test]
    fn what_is_no_ticket_is_refused_with_its_reason() {
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let make = |seats: Vec<String>, at| Ticket::new(Uuid::nil(), 1, seats, at);
        assert_eq!(make(vec![], at), Err(InvalidTicket::SeatCount(0)));
        assert_eq!(
            make(vec!["A".into(); 101], at),
            Err(InvalidTicket::SeatCount(101))
        );
        assert_eq!(
            make(names(&["A", "A"]), at),
            Err(InvalidTicket::RepeatedSeat("A".into()))
        );
        assert_eq!(
            make(names(&[""]), at),
            Err(InvalidTicket::SeatName("".into()))
        );
        assert_eq!(
            make(names(&["A\n1"]), at),
            Err(InvalidTicket::SeatName("A\n1".into()))
        );
        assert_eq!(
            make(names(&["A"]), datetime!(1969-12-31 23:59:59 UTC)),
            Err(InvalidTicket::IssuedAt)
        );
        let long = (0..100).map(|n| format!("{n:032}")).collect();
        assert!(matches!(make(long, at), Err(InvalidTicket::TooLarge(_))));
    }

    #[test]
    fn another_spelling_of_the_same_ticket_is_not_read() {
        let ticket = Ticket::new(
            Uuid::nil(),
            1,
            names(&["A", "B"]),
            datetime!(2026-01-02 0:00 UTC),
        )
        .unwrap();
        let payload = ticket.payload();
        let mut padded_show = payload[..16].to_vec();
        padded_show.extend([0x81, 0x00]);
        padded_show.extend(&payload[17..]);
        assert_eq!(Ticket::from_payload(&padded_show), None);
        let mut swapped = payload.clone();
        let end = swapped.len();
        swapped.swap(end - 1, end - 3);
        assert_eq!(Ticket::from_payload(&swapped), None);
        let mut longer = payload;
        longer.push(0);
        assert_eq!(Ticket::from_payload(&longer), None);
    }

    proptest! {
        #[test]
        fn payloads_come_back(
            id: u128,
            show: u64,
            seats in proptest::collection::btree_set("[A-Z]{1,2}-[0-9]{1,3}|ж[0-9]", 1..20),
            seconds in 0_i64..253_402_300_799,
        ) {
            let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let ticket = Ticket::new(Uuid::from_u128(id), show, seats.into_iter().collect(), at).unwrap();
            prop_assert_eq!(Ticket::from_payload(&ticket.payload()), Some(ticket));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(ticket) = Ticket::from_payload(&bytes) {
                prop_assert_eq!(ticket.payload(), bytes);
            }
        }
    }
}
