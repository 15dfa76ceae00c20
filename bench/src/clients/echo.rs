//! The round trip itself: an octet there and back, as far as the relay is.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Result,
    load::{Courier, Team},
    relay::{HOST, Relay},
};

pub const NAME: &str = "round trip (echo)";

/// One connection on which an octet goes to and fro.
pub async fn team(relay: &Relay) -> Result<Team<Echo>> {
    let stream = TcpStream::connect((HOST, relay.echo)).await?;
    stream.set_nodelay(true)?;
    Ok(Team::new(NAME, vec![Echo { stream }]).without_mail())
}

/// A connection to something that sends back what comes.
#[derive(Debug)]
pub struct Echo {
    stream: TcpStream,
}

impl Courier for Echo {
    async fn send(&mut self) -> Result<()> {
        self.stream.write_u8(1).await?;
        self.stream.read_u8().await?;
        Ok(())
    }
}
