-- What is older than its retention is found and removed, a thousand rows at a time.
create index inbox_by_age on inbox (received_at);
