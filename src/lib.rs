//! posthaste takes mail over gRPC and hands it to an SMTP relay.
//!
//! # Layout
//!
//! Each module may use those below it, and none above
//! (`tests/architecture.rs` holds it to that):
//!
//! - [`cli`]: the command line: `serve`, `send`, `check`, `demo`, `config`
//! - [`server`]: puts the parts together, accepts connections, drains
//! - [`api`]: gRPC; the only room that names tonic or generated types
//! - [`sender`]: the use case: one mail to one relay, once
//! - [`mime`]: composes messages; [`relay`]: which relay, and how to reach it
//! - [`smtp`]: the client side of RFC 5321
//! - [`tls`]: handshakes and their failures; knows no SMTP
//! - [`mail`], [`report`]: plain values that all share
//! - [`config`]: the only reader of files and environment
//! - `faultd`: the fault relay, a program of its own on `testrelay`
//!
//! # The way of a mail
//!
//! `api::parse` turns the request into a [`mail::Mail`], `mime` composes it,
//! `relay` finds the relay, `smtp` opens a session (through `tls`) and carries
//! out the transaction, and `api` renders what became of it.

pub mod api;
pub mod cli;
pub mod config;
#[cfg(feature = "testrelay")]
pub mod faultd;
pub mod mail;
pub mod mime;
pub mod relay;
pub mod report;
pub mod sender;
pub mod server;
pub mod smtp;
pub mod telemetry;
#[cfg(feature = "testrelay")]
pub mod testrelay;
pub mod tls;
