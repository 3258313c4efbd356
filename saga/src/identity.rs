//! Who is who: ids that carry their own routing.
//!
//! A booking id names its show, so that every door can name the Kafka key, the partition and the database
//! of a booking without a look-up, and a gateway has only to carry the booking id in its metadata. Ids are
//! no secrets: ownership is always checked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const SHOW_BITS: u32 = 40;
const RANDOM_BITS: u32 = 34;

/// A show's number: 1 to 2^40 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ShowId(u64);

impl ShowId {
    /// The highest show number, 2^40 - 1.
    pub const MAX: u64 = (1 << SHOW_BITS) - 1;

    /// The number, as it stands in URLs and JSON.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The Kafka key of everything about this show: its number in decimal ASCII.
    pub fn kafka_key(self) -> String {
        self.0.to_string()
    }

    /// The number as PostgreSQL's `bigint`; always positive, for a show has at most 40 bits.
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }
}

impl TryFrom<u64> for ShowId {
    type Error = IdentityError;

    fn try_from(number: u64) -> Result<Self, IdentityError> {
        if (1..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(IdentityError::Show)
        }
    }
}

impl TryFrom<i64> for ShowId {
    type Error = IdentityError;

    fn try_from(number: i64) -> Result<Self, IdentityError> {
        u64::try_from(number)
            .map_err(|_| IdentityError::Show)?
            .try_into()
    }
}

impl From<ShowId> for u64 {
    fn from(show: ShowId) -> u64 {
        show.0
    }
}

impl FromStr for ShowId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        text.parse::<u64>()
            .map_err(|_| IdentityError::Show)?
            .try_into()
    }
}

impl fmt::Display for ShowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A booking's id: a UUIDv8 of 48 bits of time, 40 bits of show and 34 random bits.
///
/// Two bookings of one show in one millisecond collide with a probability of 2^-34; the hold desk then
/// draws another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct BookingId(Uuid);

impl BookingId {
    /// Packs a new id. `unix_ms` keeps its low 48 bits, `random` its low 34.
    pub fn pack(unix_ms: u64, show: ShowId, random: u64) -> Self {
        // UUIDv8 leaves 48 + 12 + 62 = 122 bits: time | show's high 12 | show's low 28 and the random 34.
        let time = u128::from(unix_ms & ((1 << 48) - 1));
        let show = u128::from(show.0);
        let random = u128::from(random & ((1 << RANDOM_BITS) - 1));
        let high = (time << 16) | (0x8 << 12) | (show >> 28);
        let low = (0b10 << 62) | ((show & ((1 << 28) - 1)) << RANDOM_BITS) | random;
        Self(Uuid::from_u128((high << 64) | low))
    }

    /// The show that this booking belongs to.
    pub fn show(self) -> ShowId {
        ShowId(show_bits(self.0))
    }

    /// The plain UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

fn show_bits(id: Uuid) -> u64 {
    let bits = id.as_u128();
    let high = (bits >> 64) & 0xfff;
    let low = (bits >> RANDOM_BITS) & ((1 << 28) - 1);
    // At most 40 bits by construction.
    u64::try_from((high << 28) | low).unwrap_or(0)
}

impl TryFrom<Uuid> for BookingId {
    type Error = IdentityError;

    fn try_from(id: Uuid) -> Result<Self, IdentityError> {
        if id.get_version_num() == 8
            && id.get_variant() == uuid::Variant::RFC4122
            && show_bits(id) > 0
        {
            Ok(Self(id))
        } else {
            Err(IdentityError::Booking)
        }
    }
}

impl From<BookingId> for Uuid {
    fn from(booking: BookingId) -> Uuid {
        booking.0
    }
}

impl FromStr for BookingId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Uuid::try_parse(text)
            .map_err(|_| IdentityError::Booking)?
            .try_into()
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The plain UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, IdentityError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdentityError::Uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// One attempt to pay for a booking. Fresh for each attempt, and the idempotency key of its creation at
    /// the gateway: a declined card must not poison the next attempt.
    PaymentId
}

uuid_id! {
    /// One refund. Derived from the payment whose money it returns, see [`RefundId::of`].
    RefundId
}

impl PaymentId {
    /// The id of a payment that we never opened ourselves: a gateway reports money for a booking of ours
    /// under a payment id that we have not seen. Derived, so that a redelivery finds the same payment.
    ///
    /// It is derived from the booking too. Where somebody has changed the reference at the gateway, two bookings are
    /// told of one payment: the second must not write the row of the first, whose booking it has not locked.
    pub fn of_unseen(
        booking: BookingId,
        account: &GatewayAccount,
        gateway_payment_id: &str,
    ) -> Self {
        let name = format!("payment/{account}\n{gateway_payment_id}");
        Self(Uuid::new_v5(&booking.uuid(), name.as_bytes()))
    }
}

impl RefundId {
    /// The id of the `nth` refund of `payment`, counted from 1.
    pub fn of(payment: PaymentId, nth: u32) -> Self {
        Self(Uuid::new_v5(
            &payment.uuid(),
            format!("refund/{nth}").as_bytes(),
        ))
    }

    /// The id of a refund that somebody made at the gateway without us.
    pub fn not_asked_for(payment: PaymentId, gateway_refund_id: &str) -> Self {
        Self(Uuid::new_v5(
            &payment.uuid(),
            format!("refund at gateway/{gateway_refund_id}").as_bytes(),
        ))
    }

    /// The idempotency key of this refund at the gateway: the id without hyphens, `-`, the generation.
    /// Letters, digits and hyphens, 34 to 40 characters: legal at every gateway that we know.
    pub fn gateway_key(self, generation: u32) -> String {
        format!("{}-{generation}", self.0.simple())
    }
}

/// The caller of the booking API: the `sub` of their token. 1 to 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A seat's name within its show, for example `A-12`. 1 to 16 characters.
pub type SeatName = String;

/// A merchant account at a gateway. Most have one account per gateway, named [`GatewayAccount::DEFAULT`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GatewayAccount {
    /// The gateway's name in configuration and URLs, for example `stripe`.
    pub gateway: String,
    /// The account's name in configuration and URLs.
    pub account: String,
}

impl GatewayAccount {
    /// The account's name where the URL names none.
    pub const DEFAULT: &'static str = "default";

    /// `account` at `gateway`.
    pub fn new(gateway: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            gateway: gateway.into(),
            account: account.into(),
        }
    }
}

impl fmt::Display for GatewayAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gateway, self.account)
    }
}

/// What is wrong with an id from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a show number.
    #[error("a show is a number from 1 to 1099511627775")]
    Show,
    /// Not a booking id of ours.
    #[error("not a booking id: it must be a UUIDv8 that boxoffice gave out")]
    Booking,
    /// Not a UUID.
    #[error("not a UUID")]
    Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_id_names_its_show_and_keeps_uuid_shape() {
        for show in [1, 77, 1 << 28, (1 << 28) - 1, ShowId::MAX] {
            let show = ShowId::try_from(show).unwrap();
            for random in [0, 1, u64::MAX] {
                let id = BookingId::pack(u64::MAX, show, random);
                assert_eq!(id.show(), show);
                assert_eq!(id.uuid().get_version_num(), 8);
                assert_eq!(id.to_string().parse::<BookingId>(), Ok(id));
            }
        }
        assert!(ShowId::try_from(0_u64).is_err());
        assert!(ShowId::try_from(ShowId::MAX + 1).is_err());
        assert!(
            Uuid::new_v5(&Uuid::NAMESPACE_OID, b"x")
                .to_string()
                .parse::<BookingId>()
                .is_err()
        );
    }

    /// They stand in databases, topics and at gateways: where each part has its place cannot change.
    #[test]
    fn a_booking_id_is_time_show_and_chance() {
        let show = ShowId::try_from(0xab_cdef_0123_u64).unwrap();
        let id = BookingId::pack(0xffff_1234_5678_9abc, show, 0xffff_fff2_1098_7654);
        assert_eq!(id.to_string(), "12345678-9abc-8abc-b7bc-048e10987654");
        assert_eq!(Uuid::from(id), id.uuid());
        assert_eq!(BookingId::try_from(id.uuid()), Ok(id));
    }

    #[test]
    fn what_we_cannot_have_given_out_is_no_booking_id() {
        let ours = BookingId::pack(1, ShowId::try_from(1_u64).unwrap(), 2).uuid();
        let of_no_show =
            Uuid::from_u128(ours.as_u128() & !((0xfff << 64) | (((1 << 28) - 1) << 34)));
        let of_another_version = Uuid::from_u128(ours.as_u128() ^ (0xf << 76));
        let of_another_variant = Uuid::from_u128(ours.as_u128() ^ (0b11 << 62));
        for odd in [of_no_show, of_another_version, of_another_variant] {
            assert_eq!(
                BookingId::try_from(odd),
                Err(IdentityError::Booking),
                "{odd}"
            );
        }
        assert_eq!("7".parse::<BookingId>(), Err(IdentityError::Booking));
    }

    #[test]
    fn a_show_is_a_number_of_forty_bits() {
        for (text, number) in [("1", 1), ("7", 7), ("1099511627775", ShowId::MAX)] {
            let show: ShowId = text.parse().unwrap();
            assert_eq!((show.number(), u64::from(show)), (number, number));
            assert_eq!(ShowId::try_from(number), Ok(show));
            assert_eq!(ShowId::try_from(number.cast_signed()), Ok(show));
            assert_eq!(show.as_i64(), number.cast_signed());
        }
        for odd in ["", "0", "-1", "x", "1099511627776"] {
            assert_eq!(odd.parse::<ShowId>(), Err(IdentityError::Show), "{odd}");
        }
        for odd in [0_i64, -1, i64::MIN, 1 << 40] {
            assert_eq!(ShowId::try_from(odd), Err(IdentityError::Show), "{odd}");
        }
    }

    #[test]
    fn a_refund_key_is_legal_at_every_gateway() {
        let key = RefundId::of(Uuid::nil().into(), 1).gateway_key(u32::from(u16::MAX));
        assert!((10..=40).contains(&key.len()), "{key}");
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    }
}
