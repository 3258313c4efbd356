//! Every document that outsiders build on, held against the code.

mod asyncapi;
mod error_pages;
mod headers;
mod openapi;
mod operators;
mod schemas;
