//! The gRPC interface: parses requests into the values of the domain, renders
//! what became of them, and says why something failed in the form that gRPC
//! callers decode. The only room that names tonic, prost and generated types.
//! How a mail is sent is `sender`'s affair, and listening for connections
//! `server`'s.

pub mod client;

mod deadline;
mod edge;
mod error;
mod mail;
mod page;
mod parse;
pub mod pb;
mod relay;
mod render;
mod routes;
mod status;
mod submission;
mod timed;

pub use routes::{Health, Options, Routes, routes};
