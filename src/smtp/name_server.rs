//! A name server on loopback that says what a test has it say, and a resolver
//! that asks it. It knows no relay.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    Hosts,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    proto::rr::Name,
};
use tokio::net::UdpSocket;

use super::Resolver;

/// A resolver with nothing but a name server, a hosts file and a search
/// domain.
pub(crate) fn resolver(name_server: SocketAddr, hosts_file: &str) -> Resolver {
    let mut connection = ConnectionConfig::udp();
    connection.port = name_server.port();
    let server = NameServerConfig::new(name_server.ip(), true, vec![connection]);
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf(hosts_file.as_bytes()).unwrap();
    let search = vec![Name::from_ascii("corp.example.").unwrap()];
    let config = ResolverConfig::from_parts(None, search, vec![server]);
    let mut options = ResolverOpts::default();
    options.timeout = Duration::from_millis(200);
    Resolver::configured(Ok((config, options)), hosts)
}

/// What a name server says to one question.
#[derive(Clone)]
pub(crate) struct Say {
    pub(crate) code: u8,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) after: Duration,
}

pub(crate) fn says(code: u8, addresses: &[&str]) -> Say {
    Say {
        code,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        after: Duration::ZERO,
    }
}

pub(crate) const SERVFAIL: u8 = 2;
pub(crate) const NXDOMAIN: u8 = 3;

/// A name server that answers a question for a name, and for AAAA or not,
/// as `answer` has it.
pub(crate) async fn name_server(answer: impl Fn(&str, bool) -> Say + Send + 'static) -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        loop {
            let (_, from) = socket.recv_from(&mut question).await.unwrap();
            // RFC 1035 section 4.1: a header of 12 octets, then the
            // question: labels up to an empty one, type and class.
            let name_end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 1;
            let mut labels = &question[12..name_end];
            let mut name = String::new();
            while let [length @ (1..), rest @ ..] = labels {
                let (label, rest) = rest.split_at(usize::from(*length));
                name.push_str(str::from_utf8(label).unwrap());
                name.push('.');
                labels = rest;
            }
            let is_aaaa = question[name_end..name_end + 2] == [0, 28];
            let say = answer(&name, is_aaaa);
            let count = u8::try_from(say.addresses.len()).unwrap();
            let mut reply = question[..name_end + 4].to_vec();
            reply[2..4].copy_from_slice(&[0x81, 0x80 | say.code]);
            reply[6..12].copy_from_slice(&[0, count, 0, 0, 0, 0]);
            for address in say.addresses {
                let (kind, octets) = match address {
                    IpAddr::V4(ip) => (1, ip.octets().to_vec()),
                    IpAddr::V6(ip) => (28, ip.octets().to_vec()),
                };
                let length = u8::try_from(octets.len()).unwrap();
                reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, length]);
                reply.extend(octets);
            }
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                tokio::time::sleep(say.after).await;
                socket.send_to(&reply, from).await.unwrap();
            });
        }
    });
    at
}
