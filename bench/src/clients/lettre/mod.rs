//! lettre, as its pool works: as released, and on connections with
//! TCP_NODELAY.

pub mod sink;

use std::sync::Arc;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        PoolConfig,
        client::{AsyncSmtpConnection, Certificate, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use tokio::net::TcpStream;

use crate::{
    Result,
    load::{Courier, Team},
    message,
    relay::{HOST, Relay},
};

pub const RELEASED: &str = "lettre";
pub const NODELAY: &str = "lettre+nodelay";
pub const BARE: &str = "lettre+nodelay, no NOOP";

/// What is sent.
#[derive(Clone, Debug)]
struct Parcel {
    envelope: Envelope,
    message: Arc<[u8]>,
}

impl Parcel {
    fn new(size: usize) -> Result<Self> {
        let to = vec![message::TO.parse()?];
        Ok(Self {
            envelope: Envelope::new(Some(message::FROM.parse()?), to)?,
            message: message::octets(size).into(),
        })
    }
}

fn tls(relay: &Relay) -> Result<TlsParameters> {
    let parameters = TlsParameters::builder(HOST.to_owned())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(Certificate::from_pem(relay.ca.as_bytes())?);
    Ok(parameters.build_rustls()?)
}

/// lettre's transport with its pool.
pub fn released(relay: &Relay, connections: usize, size: usize) -> Result<Team<Pooled>> {
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(HOST)
        .port(relay.port)
        .tls(Tls::Required(tls(relay)?))
        .hello_name(ClientId::Domain(message::EHLO_NAME.into()))
        .pool_config(PoolConfig::new().max_size(u32::try_from(connections)?))
        .build();
    let courier = Pooled {
        transport,
        parcel: Parcel::new(size)?,
    };
    Ok(Team::new(RELEASED, vec![courier; connections]))
}

/// A courier with lettre's transport.
#[derive(Clone, Debug)]
pub struct Pooled {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    parcel: Parcel,
}

impl Courier for Pooled {
    async fn send(&mut self) -> Result<()> {
        let Parcel { envelope, message } = &self.parcel;
        self.transport.send_raw(envelope, message).await?;
        Ok(())
    }
}

/// What lettre's pool does with each mail (NOOP among it), on connections that
/// have TCP_NODELAY. The pool itself opens connections without it.
pub async fn nodelay(relay: &Relay, connections: usize, size: usize) -> Result<Team<Connected>> {
    Ok(Team::new(
        NODELAY,
        connect(relay, connections, size, true).await?,
    ))
}

/// A connection of lettre's and nothing around it: no pool does that, but one of
/// one's own may.
pub async fn bare(relay: &Relay, connections: usize, size: usize) -> Result<Team<Connected>> {
    Ok(Team::new(
        BARE,
        connect(relay, connections, size, false).await?,
    ))
}

async fn connect(
    relay: &Relay,
    connections: usize,
    size: usize,
    tests: bool,
) -> Result<Vec<Connected>> {
    let tls = tls(relay)?;
    let name = ClientId::Domain(message::EHLO_NAME.into());
    let mut couriers = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect((HOST, relay.port)).await?;
        stream.set_nodelay(true)?;
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &name).await?;
        connection.starttls(tls.clone(), &name).await?;
        couriers.push(Connected {
            connection,
            tests,
            parcel: Parcel::new(size)?,
        });
    }
    Ok(couriers)
}

/// A courier with a connection of lettre's.
pub struct Connected {
    connection: AsyncSmtpConnection,
    /// Whether to ask before each mail if the connection is alive.
    tests: bool,
    parcel: Parcel,
}

impl Courier for Connected {
    async fn send(&mut self) -> Result<()> {
        if self.tests && !self.connection.test_connected().await {
            return Err("lettre's connection was lost".into());
        }
        let Parcel { envelope, message } = &self.parcel;
        self.connection.send(envelope, message).await?;
        Ok(())
    }
}
