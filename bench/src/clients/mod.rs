//! Those who send: posthaste in this process, posthaste as a service, lettre,
//! and programs in other languages.

pub mod echo;
pub mod grpc;
pub mod lettre;
pub mod peer;
pub mod posthaste;
