//! Finds a relay's addresses: literals, the hosts file, `localhost`, DNS. Both
//! address families are asked for at the same time, and the first to answer
//! does not wait long for the other (RFC 8305 section 3).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use hickory_resolver::{
    Hosts, TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::read_system_conf,
};
use tokio::time::timeout;
use tracing::warn;

use super::{Host, error::Kind};

/// How long to wait for one name server before the question is asked again:
/// the limit for resolving should allow for a lost datagram.
const ONE_TRY: Duration = Duration::from_secs(2);
/// How long IPv4 addresses wait for the preferred IPv6 ones (RFC 8305
/// section 3, "Resolution Delay").
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Finds addresses, by the configuration of the system as it was when this was
/// made. Clones share a cache.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    hosts: Hosts,
    dns: Result<TokioResolver, NetError>,
    /// Domains to look for a short name in, the first first.
    search: Vec<Name>,
    /// A name of more labels is looked for as it is before it is looked for
    /// in the search domains.
    ndots: usize,
}

/// The addresses of a name, as they come.
pub(super) struct Addresses {
    /// At least one.
    pub(super) known: Vec<IpAddr>,
    /// Those of the other family, when they were not there in time. None when
    /// the name has none, or the name server does not say.
    pub(super) late: Option<BoxFuture<'static, Vec<IpAddr>>>,
}

impl From<Vec<IpAddr>> for Addresses {
    fn from(known: Vec<IpAddr>) -> Self {
        Self { known, late: None }
    }
}

impl Resolver {
    /// Reads the configuration of the system. Without one that can be used,
    /// the name server is looked for at 127.0.0.1, as the C library does.
    pub fn new() -> Self {
        Self::configured(read_system_conf(), Hosts::from_system().unwrap_or_default())
    }

    /// By what was read of the system's configuration, if it could be read.
    pub(super) fn configured(
        system: Result<(ResolverConfig, ResolverOpts), NetError>,
        hosts: Hosts,
    ) -> Self {
        let (config, mut options) = system.unwrap_or_else(|error| {
            warn!(%error, "the system's DNS configuration cannot be used: 127.0.0.1 is asked");
            let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            let config = ResolverConfig::from_name_servers(vec![local]);
            (config, ResolverOpts::default())
        });
        // Hosts are looked up here: what the file names must not wait for DNS,
        // and the library would ask it for the family that the file leaves out.
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = options.timeout.min(ONE_TRY);
        let mut search: Vec<Name> = Vec::new();
        for domain in config.domain().into_iter().chain(config.search()) {
            if !search.contains(domain) {
                search.push(domain.clone());
            }
        }
        Self(Arc::new(Inner {
            hosts,
            search,
            ndots: options.ndots,
            dns: {
                let provider = TokioRuntimeProvider::default();
                let mut builder = TokioResolver::builder_with_config(config, provider);
                *builder.options_mut() = options;
                builder.build()
            },
        }))
    }

    /// The addresses of `host`.
    pub(super) async fn resolve(&self, host: &Host) -> Result<Addresses, Kind> {
        let name = match host {
            Host::Ip(ip) => return Ok(vec![*ip].into()),
            Host::Name(name) => name,
        };
        let name = Name::from_ascii(name).map_err(|error| Kind::NoSuchHost(error.into()))?;
        let listed = self.0.local_addresses(&name);
        if !listed.is_empty() {
            return Ok(listed.into());
        }
        let dns = self.0.dns.as_ref();
        let dns = dns.map_err(|error| Kind::Dns(error.clone()))?;
        let mut miss = Kind::NoSuchHost(NetError::Message("no name to ask for"));
        for name in self.0.names(&name) {
            match lookup(dns, &name).await {
                Ok(addresses) => return Ok(addresses),
                Err(kind) => miss = graver(miss, kind),
            }
        }
        Err(miss)
    }
}

impl Inner {
    fn local_addresses(&self, name: &Name) -> Vec<IpAddr> {
        let listed: Vec<IpAddr> = [RecordType::AAAA, RecordType::A]
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
            .collect();
        // RFC 6761 section 6.3.
        if listed.is_empty() && name.is_localhost() {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        listed
    }

    /// The names that `name` may stand for, absolute, in the order to ask for
    /// them. The library would do this for each address family by itself, and
    /// could find them under different names.
    fn names(&self, name: &Name) -> Vec<Name> {
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        let searched = self.search.iter();
        let mut names: Vec<Name> = searched
            .filter_map(|domain| name.clone().append_domain(domain).ok())
            .collect();
        if usize::from(name.num_labels()) > self.ndots {
            names.insert(0, absolute);
        } else {
            names.push(absolute);
        }
        names
    }
}

/// Asks for the addresses of both families of one name.
async fn lookup(dns: &TokioResolver, name: &Name) -> Result<Addresses, Kind> {
    let v6 = family(dns, name, RecordType::AAAA);
    let v4 = family(dns, name, RecordType::A);
    join(v6, v4).await
}

/// What both families make together, as soon as there is enough to begin with.
async fn join(mut v6: Family, mut v4: Family) -> Result<Addresses, Kind> {
    tokio::select! {
        biased;
        first = &mut v6 => match first {
            Ok(known) => Ok(Addresses { known, late: Some(whatever(v4)) }),
            Err(miss) => only(v4, miss).await,
        },
        first = &mut v4 => match first {
            Ok(known) => match timeout(RESOLUTION_DELAY, &mut v6).await {
                Ok(preferred) => Ok([preferred.unwrap_or_default(), known].concat().into()),
                Err(_elapsed) => Ok(Addresses { known, late: Some(whatever(v6)) }),
            },
            Err(miss) => only(v6, miss).await,
        },
    }
}

/// The addresses of one family, at least one.
type Family = BoxFuture<'static, Result<Vec<IpAddr>, Kind>>;

fn family(dns: &TokioResolver, name: &Name, family: RecordType) -> Family {
    let (dns, name) = (dns.clone(), name.clone());
    Box::pin(async move {
        let found = dns.lookup(name, family).await.map_err(|error| {
            if error.is_no_records_found() {
                Kind::NoSuchHost(error)
            } else {
                Kind::Dns(error)
            }
        })?;
        let records = found.answers().iter();
        let addresses: Vec<IpAddr> = records.filter_map(|it| it.data.ip_addr()).collect();
        if addresses.is_empty() {
            return Err(Kind::NoSuchHost(NetError::Message("no addresses")));
        }
        Ok(addresses)
    })
}

/// What a family has, when the other has nothing.
async fn only(family: Family, miss: Kind) -> Result<Addresses, Kind> {
    let found = family.await.map_err(|other| graver(miss, other))?;
    Ok(found.into())
}

fn whatever(family: Family) -> BoxFuture<'static, Vec<IpAddr>> {
    Box::pin(async { family.await.unwrap_or_default() })
}

/// A name server that did not answer leaves open whether the name exists.
fn graver(miss: Kind, other: Kind) -> Kind {
    match miss {
        Kind::Dns(_) => miss,
        _ => other,
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

    use hickory_resolver::system_conf::parse_resolv_conf;

    use super::{
        super::name_server::{NXDOMAIN, SERVFAIL, Say, name_server, resolver, says},
        *,
    };

    async fn found(resolver: &Resolver, host: &str) -> (Vec<String>, Option<Vec<String>>) {
        let shown = |found: Vec<IpAddr>| found.iter().map(ToString::to_string).collect();
        let found = resolver.resolve(&name(host)).await.unwrap();
        let late = match found.late {
            Some(late) => Some(shown(late.await)),
            None => None,
        };
        (shown(found.known), late)
    }

    fn nowhere() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 1).into()
    }

    fn name(text: &str) -> Host {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn what_is_known_here_needs_no_name_server() {
        let hosts = "192.0.2.7 mail.example.com mail\n2001:db8::7 mail\n";
        let resolver = resolver(nowhere(), hosts);
        for (host, expected) in [
            ("192.0.2.1", &["192.0.2.1"][..]),
            ("2001:db8::1", &["2001:db8::1"]),
            ("mail.example.com", &["192.0.2.7"]),
            ("MAIL", &["2001:db8::7", "192.0.2.7"]),
            ("localhost", &["::1", "127.0.0.1"]),
            ("relay.localhost", &["::1", "127.0.0.1"]),
        ] {
            let (known, late) = found(&resolver, host).await;
            assert_eq!(
                (known.as_slice(), late),
                (&owned(expected)[..], None),
                "{host}"
            );
        }
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn the_hosts_file_may_say_where_localhost_is() {
        let resolver = resolver(nowhere(), "127.0.0.2 localhost\n");
        assert_eq!(found(&resolver, "localhost").await.0, ["127.0.0.2"]);
    }

    #[tokio::test]
    async fn localhost_works_with_the_configuration_of_the_system() {
        let found = Resolver::new().resolve(&name("localhost")).await.unwrap();
        assert!(found.known.iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn a_system_without_a_dns_configuration_still_has_a_resolver() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        for system in [
            Err(NetError::from(missing)),
            parse_resolv_conf(""),
            parse_resolv_conf("nonsense\nnameserver\noptions ndots:x\n"),
            parse_resolv_conf([0xff, 0x00, 0xfe, b'\n']),
            parse_resolv_conf("nameserver 127.0.0.1\nsearch a..b\n"),
        ] {
            assert!(system.is_err());
            let resolver = Resolver::configured(system, Hosts::default());
            assert_eq!(found(&resolver, "localhost").await.0.len(), 2);
            // No name server listens there, or it does not know the name.
            let outcome = resolver.resolve(&name("mail.invalid")).await.err();
            let outcome = outcome.unwrap();
            assert!(
                matches!(outcome, Kind::Dns(_) | Kind::NoSuchHost(_)),
                "{outcome:?}"
            );
        }
    }

    #[tokio::test]
    async fn both_families_are_asked_for() {
        let at = name_server(|_, is_aaaa| {
            if is_aaaa {
                says(0, &["2001:db8::1", "2001:db8::2"])
            } else {
                says(0, &["192.0.2.1", "192.0.2.2"])
            }
        })
        .await;
        let (mut all, late) = found(&resolver(at, ""), "mail.example.com").await;
        all.extend(late.unwrap_or_default());
        all.sort();
        let expected = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];
        assert_eq!(all, expected);
    }

    type Outcome = Result<&'static str, fn(NetError) -> Kind>;
    const ABSENT: Outcome = Err(Kind::NoSuchHost);
    const FAILED: Outcome = Err(Kind::Dns);

    /// One family, or its failure, after so many milliseconds.
    fn comes((after, outcome): (u64, Outcome)) -> Family {
        let outcome = match outcome {
            Ok(text) => Ok(vec![text.parse().unwrap()]),
            Err(miss) => Err(miss(NetError::Message("a test's"))),
        };
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            outcome
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_family_waits_a_little_for_the_preferred_one() {
        const V6: &str = "2001:db8::1";
        const V4: &str = "192.0.2.1";
        for (v6, v4, known, late, waited) in [
            ((5, Ok(V6)), (0, Ok(V4)), vec![V6, V4], None, 5),
            ((49, Ok(V6)), (0, Ok(V4)), vec![V6, V4], None, 49),
            ((60, Ok(V6)), (0, Ok(V4)), vec![V4], Some(vec![V6]), 50),
            ((0, Ok(V6)), (900, Ok(V4)), vec![V6], Some(vec![V4]), 0),
            ((0, Ok(V6)), (9, FAILED), vec![V6], Some(vec![]), 0),
            ((9, ABSENT), (0, Ok(V4)), vec![V4], None, 9),
            ((99, FAILED), (0, Ok(V4)), vec![V4], Some(vec![]), 50),
            ((0, FAILED), (900, Ok(V4)), vec![V4], None, 900),
            ((700, Ok(V6)), (0, ABSENT), vec![V6], None, 700),
        ] {
            let shown = format!("{v6:?} {v4:?}");
            let started = tokio::time::Instant::now();
            let (v6, v4) = (comes(v6), comes(v4));
            let addresses = join(v6, v4).await.unwrap();
            assert_eq!(started.elapsed(), Duration::from_millis(waited), "{shown}");
            let texts = |ips: Vec<IpAddr>| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(texts(addresses.known), known, "{shown}");
            match (addresses.late, late) {
                (Some(more), Some(late)) => assert_eq!(texts(more.await), late, "{shown}"),
                (more, late) => assert_eq!(more.is_some(), late.is_some(), "{shown}"),
            }
        }
    }

    #[tokio::test]
    async fn one_family_is_enough_whatever_becomes_of_the_other() {
        for other in [says(0, &[]), says(NXDOMAIN, &[]), says(SERVFAIL, &[])] {
            for has_aaaa in [true, false] {
                let address = if has_aaaa { "2001:db8::1" } else { "192.0.2.1" };
                let other = other.clone();
                let at = name_server(move |name, is_aaaa| {
                    if name == "mail.example.com." && is_aaaa == has_aaaa {
                        says(0, &[address])
                    } else {
                        other.clone()
                    }
                })
                .await;
                let (known, late) = found(&resolver(at, ""), "mail.example.com").await;
                assert_eq!(known, [address]);
                assert_eq!(late.unwrap_or_default(), [""; 0]);
            }
        }
    }

    #[tokio::test]
    async fn the_addresses_of_different_names_are_not_mixed() {
        // A wildcard in the search domain has an address of the family that
        // the name itself lacks.
        let at = name_server(|name, is_aaaa| match (name, is_aaaa) {
            ("mail.example.com.", false) => Say {
                after: Duration::from_millis(60),
                ..says(0, &["192.0.2.1"])
            },
            ("mail.example.com.", true) => says(0, &[]),
            (_, true) => says(0, &["2001:db8::bad"]),
            _ => says(NXDOMAIN, &[]),
        })
        .await;
        let resolver = resolver(at, "");
        let answer = found(&resolver, "mail.example.com").await;
        assert_eq!(answer, (owned(&["192.0.2.1"]), None));
        let (known, _) = found(&resolver, "other").await;
        assert_eq!(known, ["2001:db8::bad"]);
    }

    #[tokio::test]
    async fn a_short_name_is_looked_for_in_the_search_domain_first() {
        let at = name_server(|name, is_aaaa| match (name, is_aaaa) {
            ("mail.corp.example.", false) => says(0, &["192.0.2.1"]),
            ("mail.", false) => says(0, &["192.0.2.9"]),
            ("relay.", false) => says(0, &["192.0.2.2"]),
            _ => says(NXDOMAIN, &[]),
        })
        .await;
        let resolver = resolver(at, "");
        assert_eq!(found(&resolver, "mail").await.0, ["192.0.2.1"]);
        assert_eq!(found(&resolver, "relay").await.0, ["192.0.2.2"]);
    }

    #[tokio::test]
    async fn no_name_and_no_addresses_are_told_from_no_answer() {
        let nxdomain = name_server(|_, _| says(NXDOMAIN, &[])).await;
        let no_data = name_server(|_, _| says(0, &[])).await;
        for server in [nxdomain, no_data] {
            let resolver = resolver(server, "");
            let miss = resolver.resolve(&name("mail.example.com")).await.err();
            assert!(matches!(miss, Some(Kind::NoSuchHost(_))), "{miss:?}");
        }
        let servfail = name_server(|_, _| says(SERVFAIL, &[])).await;
        let refused = name_server(|_, _| says(5, &[])).await;
        // One family that the server cannot tell may have been all there is.
        let half = name_server(|_, is_aaaa| says(if is_aaaa { SERVFAIL } else { 0 }, &[])).await;
        for server in [servfail, refused, half, nowhere()] {
            let resolver = resolver(server, "");
            let miss = resolver.resolve(&name("mail.example.com")).await.err();
            assert!(matches!(miss, Some(Kind::Dns(_))), "{miss:?}");
        }
    }
}
