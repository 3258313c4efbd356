//! boxoffice-booking-api
