-- Which refunds a gateway has made for one of ours and failed with, by its ids, as JSON; null for nearly all. A gateway
-- may tell of them again at any time, and in any order. Nothing is looked up by them.
--
-- A column without a default is added without rewriting the table.

alter table refunds add column failed_there text;
