//! Finds a relay's addresses: literals, the hosts file, `localhost`, DNS.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
};

use super::{Host, error::Kind};

/// So many addresses of one name are tried at most.
const MAX_ADDRESSES: usize = 16;
/// How long to wait for one name server before the question is asked again:
/// the limit for resolving should allow for a lost datagram.
const ONE_TRY: Duration = Duration::from_secs(2);

/// Finds addresses, by the configuration of the system as it was when this was
/// made. Clones share a cache.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    hosts: Hosts,
    dns: Result<TokioResolver, NetError>,
}

impl Resolver {
    /// Reads the configuration of the system. Without one, the name server is
    /// looked for at 127.0.0.1, as the C library does.
    pub fn new() -> Self {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(vec![local]),
                TokioRuntimeProvider::default(),
            )
        });
        let options = builder.options_mut();
        // Hosts are looked up here: what the file names must not wait for DNS,
        // and the library would ask it for the family that the file leaves out.
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = options.timeout.min(ONE_TRY);
        Self(Arc::new(Inner {
            hosts: Hosts::from_system().unwrap_or_default(),
            dns: builder.build(),
        }))
    }

    /// The addresses of `host`, at least one, in the order to try them.
    pub(super) async fn resolve(&self, host: &Host) -> Result<Vec<IpAddr>, Kind> {
        let name = match host {
            Host::Ip(ip) => return Ok(vec![*ip]),
            Host::Name(name) => name,
        };
        let name = Name::from_ascii(name).map_err(|error| Kind::NoSuchHost(error.into()))?;
        let known = self.0.local_addresses(&name);
        if !known.is_empty() {
            return Ok(known);
        }
        let dns = self
            .0
            .dns
            .as_ref()
            .map_err(|error| Kind::Dns(error.clone()))?;
        let found = dns.lookup_ip(name).await.map_err(|error| {
            if error.is_no_records_found() {
                Kind::NoSuchHost(error)
            } else {
                Kind::Dns(error)
            }
        })?;
        let addresses: Vec<IpAddr> = found.iter().take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(Kind::NoSuchHost(NetError::Message("no addresses")));
        }
        Ok(addresses)
    }
}

impl Inner {
    fn local_addresses(&self, name: &Name) -> Vec<IpAddr> {
        let listed: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|family| {
                self.hosts
                    .lookup_static_host(&Query::query(name.clone(), family))
            })
            .flat_map(|lookup| {
                let addresses = lookup.answers().iter().map(|record| record.data.ip_addr());
                addresses.collect::<Vec<_>>()
            })
            .flatten()
            .take(MAX_ADDRESSES)
            .collect();
        // RFC 6761 section 6.3.
        if listed.is_empty() && name.is_localhost() {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        listed
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hickory_resolver::config::ConnectionConfig;
    use tokio::net::UdpSocket;

    use super::*;

    /// A resolver with nothing but a name server and a hosts file.
    fn resolver(name_server: SocketAddr, hosts_file: &str) -> Resolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = name_server.port();
        let server = NameServerConfig::new(name_server.ip(), true, vec![connection]);
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(hosts_file.as_bytes()).unwrap();
        let mut builder = TokioResolver::builder_with_config(
            ResolverConfig::from_name_servers(vec![server]),
            TokioRuntimeProvider::default(),
        );
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.options_mut().timeout = Duration::from_millis(200);
        Resolver(Arc::new(Inner {
            hosts,
            dns: builder.build(),
        }))
    }

    /// A name server that answers every question with `code`, and those for A
    /// records with `addresses`.
    async fn name_server(code: u8, addresses: &'static [[u8; 4]]) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            loop {
                let (_, from) = socket.recv_from(&mut question).await.unwrap();
                // RFC 1035 section 4.1: a header of 12 octets, then the
                // question: labels up to an empty one, type and class.
                let name_end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 1;
                let is_a = question[name_end..name_end + 2] == [0, 1];
                let answers = if is_a { addresses } else { &[] };
                let mut answer = question[..name_end + 4].to_vec();
                answer[2..4].copy_from_slice(&[0x81, 0x80 | code]);
                answer[6..12].copy_from_slice(&[
                    0,
                    u8::try_from(answers.len()).unwrap(),
                    0,
                    0,
                    0,
                    0,
                ]);
                for address in answers {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    answer.extend(address);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        at
    }

    fn nowhere() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 1).into()
    }

    fn name(text: &str) -> Host {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn what_is_known_here_needs_no_name_server() {
        let resolver = resolver(nowhere(), "192.0.2.7 mail.example.com mail\n");
        for (host, expected) in [
            ("192.0.2.1", &["192.0.2.1"][..]),
            ("2001:db8::1", &["2001:db8::1"]),
            ("mail.example.com", &["192.0.2.7"]),
            ("MAIL", &["192.0.2.7"]),
            ("localhost", &["127.0.0.1", "::1"]),
            ("relay.localhost", &["127.0.0.1", "::1"]),
        ] {
            let found = resolver.resolve(&name(host)).await.unwrap();
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{host}");
        }
    }

    #[tokio::test]
    async fn localhost_works_with_the_configuration_of_the_system() {
        let found = Resolver::new().resolve(&name("localhost")).await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    }

    #[tokio::test]
    async fn a_name_server_is_asked() {
        let server = name_server(0, &[[192, 0, 2, 1], [192, 0, 2, 2]]).await;
        let found = resolver(server, "")
            .resolve(&name("mail.example.com"))
            .await;
        let expected: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        assert_eq!(found.unwrap(), expected);
    }

    #[tokio::test]
    async fn no_name_and_no_addresses_are_told_from_no_answer() {
        let nxdomain = name_server(3, &[]).await;
        let no_data = name_server(0, &[]).await;
        for server in [nxdomain, no_data] {
            let found = resolver(server, "")
                .resolve(&name("mail.example.com"))
                .await;
            assert!(matches!(found, Err(Kind::NoSuchHost(_))), "{found:?}");
        }
        let servfail = name_server(2, &[]).await;
        let refused = name_server(5, &[]).await;
        for server in [servfail, refused, nowhere()] {
            let found = resolver(server, "")
                .resolve(&name("mail.example.com"))
                .await;
            assert!(matches!(found, Err(Kind::Dns(_))), "{found:?}");
        }
    }
}
