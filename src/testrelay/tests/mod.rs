//! The relay as a client meets it, over sockets and pipes.

mod answers;
mod client;
mod octets;
mod pipe;
mod smtp;
mod tls;
