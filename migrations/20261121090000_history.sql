-- The history of a user in a total order, so that a page can begin where the last one ended.
create index bookings_of_user on bookings (user_id, held_at desc, booking_id desc);
drop index bookings_by_user;
