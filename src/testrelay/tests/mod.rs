//! The relay as a client meets it, over sockets.

mod answers;
mod client;
mod smtp;
mod tls;
