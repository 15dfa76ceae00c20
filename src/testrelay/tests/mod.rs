//! The relay as a client meets it, over sockets.

mod answers;
mod client;
mod octets;
mod smtp;
mod tls;
