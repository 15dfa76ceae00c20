//! Establishes TCP connections by happy eyeballs (RFC 8305): the addresses of
//! both families in turn, the next one while the last has not answered yet,
//! and the first connection wins.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    net::IpAddr,
    pin::pin,
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt as _,
    future::{Fuse, FusedFuture as _},
    stream::FuturesUnordered,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{TimeLimits, error::Kind, resolve::Addresses};
use crate::report::{ConnectAttempt, Reason};

/// How long an address has before the next one is tried beside it (RFC 8305
/// section 5, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// So many addresses of one name are tried at most.
const MAX_ADDRESSES: usize = 16;
/// So many of them at the same time.
const MAX_AT_A_TIME: usize = 8;

/// A connection to one of several addresses.
#[derive(Debug)]
pub(super) struct Connected<S> {
    pub(super) stream: S,
    pub(super) ip: IpAddr,
    /// The other addresses that were tried, in vain.
    pub(super) others: Vec<ConnectAttempt>,
}

/// Connects to the first of `addresses` that lets us in, and closes what was
/// begun with the others. What is not tried before the time runs out is not
/// reported.
pub(super) async fn connect(
    addresses: Addresses,
    port: u16,
    limits: &TimeLimits,
) -> Result<Connected<TcpStream>, Kind> {
    race(addresses, limits, |ip| dial(ip, port))
        .await
        .map_err(Kind::Connect)
}

async fn race<S, F>(
    addresses: Addresses,
    limits: &TimeLimits,
    dial: impl Fn(IpAddr) -> F,
) -> Result<Connected<S>, Vec<ConnectAttempt>>
where
    F: Future<Output = io::Result<S>>,
{
    let mut queue = Queue::default();
    queue.add(addresses.known);
    let mut late = pin!(
        addresses
            .late
            .map_or_else(Fuse::terminated, FutureExt::fuse)
    );
    let mut out_of_time = pin!(sleep(limits.connect_total));
    let mut delay = pin!(sleep(Duration::ZERO));

    let mut attempts: Vec<Attempt> = Vec::new();
    let mut under_way = FuturesUnordered::new();
    let mut next_may_start = true;
    loop {
        if next_may_start
            && under_way.len() < MAX_AT_A_TIME
            && attempts.len() < MAX_ADDRESSES
            && let Some(ip) = queue.next()
        {
            let (number, now) = (attempts.len(), Instant::now());
            let attempt = timeout(limits.connect, dial(ip));
            under_way.push(attempt.map(move |outcome| (number, outcome)));
            attempts.push(Attempt {
                ip,
                started: now,
                failed: None,
            });
            next_may_start = false;
            delay.set(sleep_until(now + ATTEMPT_DELAY));
        }
        if under_way.is_empty() && late.is_terminated() {
            break;
        }
        tokio::select! {
            biased;
            Some((number, outcome)) = under_way.next() => {
                let attempt = &mut attempts[number];
                let reason = match outcome {
                    Ok(Ok(stream)) => {
                        let ip = attempts.remove(number).ip;
                        let others = attempts.into_iter().map(Attempt::overtaken).collect();
                        return Ok(Connected { stream, ip, others });
                    }
                    Ok(Err(error)) => reason(&error),
                    Err(_elapsed) => Reason::ConnectTimeout,
                };
                attempt.failed = Some((reason, attempt.started.elapsed()));
                next_may_start = true;
            }
            () = &mut out_of_time => break,
            more = &mut late => queue.add(more),
            () = &mut delay, if !next_may_start => next_may_start = true,
        }
    }
    Err(attempts.into_iter().map(Attempt::told).collect())
}

struct Attempt {
    ip: IpAddr,
    started: Instant,
    failed: Option<(Reason, Duration)>,
}

impl Attempt {
    /// One that is still under way has found no answer.
    fn told(self) -> ConnectAttempt {
        let told = self.overtaken();
        ConnectAttempt {
            reason: told.reason.or(Some(Reason::ConnectTimeout)),
            ..told
        }
    }

    /// One that is still under way was slower than another.
    fn overtaken(self) -> ConnectAttempt {
        let (reason, elapsed) = match self.failed {
            Some((reason, elapsed)) => (Some(reason), elapsed),
            None => (None, self.started.elapsed()),
        };
        ConnectAttempt {
            ip: self.ip,
            reason,
            elapsed,
        }
    }
}

/// Addresses to try: the families in turn, IPv6 first (RFC 8305 section 4),
/// each in the order that the resolver gave.
#[derive(Default)]
struct Queue {
    v6: VecDeque<IpAddr>,
    v4: VecDeque<IpAddr>,
    was_v6: bool,
}

impl Queue {
    fn add(&mut self, addresses: Vec<IpAddr>) {
        for ip in addresses {
            let family = if ip.is_ipv6() {
                &mut self.v6
            } else {
                &mut self.v4
            };
            family.push_back(ip);
        }
    }

    fn next(&mut self) -> Option<IpAddr> {
        let [preferred, other] = if self.was_v6 {
            [&mut self.v4, &mut self.v6]
        } else {
            [&mut self.v6, &mut self.v4]
        };
        let ip = preferred.pop_front().or_else(|| other.pop_front())?;
        self.was_v6 = ip.is_ipv6();
        Some(ip)
    }
}

async fn dial(ip: IpAddr, port: u16) -> io::Result<TcpStream> {
    let socket = match ip {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A command must not wait for the acknowledgement of the last one.
    socket.set_nodelay(true)?;
    socket.connect((ip, port).into()).await
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::ConnectionRefused => Reason::ConnectRefused,
        ErrorKind::TimedOut => Reason::ConnectTimeout,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Reason::ConnectionReset,
        _ => Reason::ConnectUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        collections::HashMap,
        future::pending,
        net::{Ipv4Addr, Ipv6Addr, SocketAddr},
        rc::Rc,
    };

    use hickory_resolver::{Hosts, net::NetError};
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;
    use crate::smtp::{Host, Resolver};

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const LOCALHOST_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    /// Nothing but loopback has a route to it.
    const UNROUTABLE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// What happens to whoever connects to an address: after so long, this.
    #[derive(Clone, Copy)]
    enum Fate {
        LetIn(u64),
        Refuse(u64),
        Silence,
    }
    use Fate::{LetIn, Refuse, Silence};

    /// A network in paused time.
    #[derive(Default)]
    struct Network {
        fates: HashMap<IpAddr, Fate>,
        /// Each address that was dialled, and when, in milliseconds.
        dialled: RefCell<Vec<(String, u128)>>,
        /// How many are being dialled.
        under_way: Rc<()>,
    }

    impl Network {
        fn new(fates: &[(&str, Fate)]) -> Self {
            Self {
                fates: fates.iter().map(|(text, fate)| (ip(text), *fate)).collect(),
                ..Self::default()
            }
        }

        async fn race(
            &self,
            addresses: Addresses,
            limits: &TimeLimits,
        ) -> Result<IpAddr, Vec<ConnectAttempt>> {
            let connected = self.connect(addresses, limits).await?;
            Ok(connected.ip)
        }

        async fn connect(
            &self,
            addresses: Addresses,
            limits: &TimeLimits,
        ) -> Result<Connected<IpAddr>, Vec<ConnectAttempt>> {
            let began = Instant::now();
            let dial = |ip: IpAddr| {
                let elapsed = began.elapsed().as_millis();
                self.dialled.borrow_mut().push((ip.to_string(), elapsed));
                let guard = Rc::clone(&self.under_way);
                let fate = self.fates[&ip];
                async move {
                    let outcome = match fate {
                        LetIn(after) => {
                            sleep(ms(after)).await;
                            Ok(ip)
                        }
                        Refuse(after) => {
                            sleep(ms(after)).await;
                            Err(ErrorKind::ConnectionRefused.into())
                        }
                        Silence => pending().await,
                    };
                    drop(guard);
                    outcome
                }
            };
            let connected = race(addresses, limits, dial).await?;
            assert_eq!(connected.stream, connected.ip);
            Ok(connected)
        }

        fn dialled(&self) -> Vec<(String, u128)> {
            assert_eq!(
                Rc::strong_count(&self.under_way),
                1,
                "a loser is still dialled"
            );
            self.dialled.take()
        }
    }

    fn at(texts: &[&str]) -> Addresses {
        texts.iter().map(|text| ip(text)).collect::<Vec<_>>().into()
    }

    fn when(dialled: &[(&str, u128)]) -> Vec<(String, u128)> {
        let owned = dialled.iter().map(|(ip, at)| ((*ip).to_owned(), *at));
        owned.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn families_take_turns_and_the_next_is_tried_beside_the_last() {
        let network = Network::new(&[
            ("192.0.2.1", Silence),
            ("192.0.2.2", Silence),
            ("192.0.2.3", LetIn(40)),
            ("2001:db8::1", Silence),
            ("2001:db8::2", Silence),
        ]);
        let addresses = at(&[
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
            "2001:db8::1",
            "2001:db8::2",
        ]);
        let started = Instant::now();
        let won = network.race(addresses, &TimeLimits::default()).await;
        assert_eq!(won.unwrap(), ip("192.0.2.3"));
        assert_eq!(started.elapsed(), ms(1040));
        let expected = [
            ("2001:db8::1", 0),
            ("192.0.2.1", 250),
            ("2001:db8::2", 500),
            ("192.0.2.2", 750),
            ("192.0.2.3", 1000),
        ];
        assert_eq!(network.dialled(), when(&expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_attempt_starts_the_next_at_once_and_the_delay_anew() {
        let network = Network::new(&[
            ("2001:db8::1", Refuse(100)),
            ("192.0.2.1", Silence),
            ("2001:db8::2", Refuse(0)),
            ("192.0.2.2", LetIn(5)),
        ]);
        let addresses = at(&["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"]);
        let won = network.race(addresses, &TimeLimits::default()).await;
        assert_eq!(won.unwrap(), ip("192.0.2.2"));
        let expected = [
            ("2001:db8::1", 0),
            ("192.0.2.1", 100),
            ("2001:db8::2", 350),
            ("192.0.2.2", 350),
        ];
        assert_eq!(network.dialled(), when(&expected));
    }

    #[tokio::test(start_paused = true)]
    async fn who_wins_knows_of_those_that_were_tried_in_vain() {
        let network = Network::new(&[
            ("2001:db8::1", Refuse(100)),
            ("192.0.2.1", Silence),
            ("2001:db8::2", LetIn(5)),
        ]);
        let addresses = at(&["2001:db8::1", "2001:db8::2", "192.0.2.1"]);
        let connected = network.connect(addresses, &TimeLimits::default()).await;
        let told: Vec<_> = connected
            .unwrap()
            .others
            .iter()
            .map(|it| (it.ip.to_string(), it.reason, it.elapsed))
            .collect();
        let expected = [
            ("2001:db8::1", Some(Reason::ConnectRefused), ms(100)),
            // Overtaken.
            ("192.0.2.1", None, ms(255)),
        ];
        assert_eq!(
            told,
            expected.map(|(ip, reason, time)| (ip.to_owned(), reason, time))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_connection_wins_even_when_it_was_not_tried_first() {
        let network = Network::new(&[("2001:db8::1", LetIn(400)), ("192.0.2.1", LetIn(100))]);
        let addresses = || at(&["2001:db8::1", "192.0.2.1"]);
        let won = network.race(addresses(), &TimeLimits::default()).await;
        assert_eq!(won.unwrap(), ip("192.0.2.1"));

        let network = Network::new(&[("2001:db8::1", LetIn(240)), ("192.0.2.1", LetIn(0))]);
        let won = network.race(addresses(), &TimeLimits::default()).await;
        assert_eq!(won.unwrap(), ip("2001:db8::1"));
        assert_eq!(network.dialled(), when(&[("2001:db8::1", 0)]));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_come_late_are_tried_in_their_turn() {
        let late = |after, addresses: &[&str]| -> Addresses {
            let more: Vec<_> = addresses.iter().map(|text| ip(text)).collect();
            Addresses {
                known: vec![ip("192.0.2.1"), ip("192.0.2.2")],
                late: Some(Box::pin(async move {
                    sleep(ms(after)).await;
                    more
                })),
            }
        };
        let network = Network::new(&[
            ("192.0.2.1", Silence),
            ("192.0.2.2", Silence),
            ("2001:db8::1", LetIn(10)),
        ]);
        let won = network
            .race(late(100, &["2001:db8::1"]), &TimeLimits::default())
            .await;
        assert_eq!(won.unwrap(), ip("2001:db8::1"));
        assert_eq!(
            network.dialled(),
            when(&[("192.0.2.1", 0), ("2001:db8::1", 250)])
        );

        // All that was known has failed before they come.
        let network = Network::new(&[
            ("192.0.2.1", Refuse(1)),
            ("192.0.2.2", Refuse(1)),
            ("2001:db8::1", LetIn(10)),
        ]);
        let won = network
            .race(late(900, &["2001:db8::1"]), &TimeLimits::default())
            .await;
        assert_eq!(won.unwrap(), ip("2001:db8::1"));
        assert_eq!(network.dialled()[2], ("2001:db8::1".to_owned(), 900));

        let failed = network.race(late(900, &[]), &TimeLimits::default()).await;
        assert_eq!(failed.unwrap_err().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_each_is_told_with_its_reason_and_its_time() {
        let network = Network::new(&[
            ("2001:db8::1", Silence),
            ("192.0.2.1", Refuse(20)),
            ("192.0.2.2", Silence),
        ]);
        let addresses = at(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        let started = Instant::now();
        let attempts = network.race(addresses, &TimeLimits::default()).await;
        // The last began after 270 ms and had its ten seconds.
        assert_eq!(started.elapsed(), ms(10_270));
        let told: Vec<_> = attempts
            .unwrap_err()
            .iter()
            .map(|it| (it.ip.to_string(), it.reason, it.elapsed))
            .collect();
        let expected = [
            ("2001:db8::1", Reason::ConnectTimeout, ms(10_000)),
            ("192.0.2.1", Reason::ConnectRefused, ms(20)),
            ("192.0.2.2", Reason::ConnectTimeout, ms(10_000)),
        ];
        assert_eq!(
            told,
            expected.map(|(ip, reason, time)| (ip.to_owned(), Some(reason), time))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_when_the_time_runs_out_is_told_as_well() {
        let network = Network::new(&[("2001:db8::1", Silence), ("192.0.2.1", Silence)]);
        let limits = TimeLimits {
            connect_total: ms(700),
            ..TimeLimits::default()
        };
        let started = Instant::now();
        let attempts = network
            .race(at(&["192.0.2.1", "2001:db8::1"]), &limits)
            .await;
        assert_eq!(started.elapsed(), ms(700));
        let attempts = attempts.unwrap_err();
        let told: Vec<_> = attempts.iter().map(|it| (it.reason, it.elapsed)).collect();
        let silent = |time| (Some(Reason::ConnectTimeout), ms(time));
        assert_eq!(told, [silent(700), silent(450)]);
        assert_eq!(network.dialled().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_attempts_is_bounded_at_a_time_and_in_all() {
        let addresses: Vec<String> = (1..=40).map(|n| format!("192.0.2.{n}")).collect();
        let silent: Vec<_> = addresses
            .iter()
            .map(|text| (text.as_str(), Silence))
            .collect();
        let texts: Vec<_> = addresses.iter().map(String::as_str).collect();
        let network = Network::new(&silent);
        let attempts = network.race(at(&texts), &TimeLimits::default()).await;
        assert_eq!(attempts.unwrap_err().len(), MAX_ADDRESSES);
        let dialled = network.dialled();
        // The ninth waits until the first has had its time.
        assert_eq!(dialled[7].1, 7 * 250);
        assert_eq!(dialled[8].1, 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_gives_up_every_attempt() {
        let network = Network::new(&[("2001:db8::1", Silence), ("192.0.2.1", Silence)]);
        let limits = TimeLimits::default();
        let racing = network.race(at(&["2001:db8::1", "192.0.2.1"]), &limits);
        timeout(ms(400), racing).await.unwrap_err();
        // Nothing is dialled any more, and nothing else will be.
        assert_eq!(network.dialled().len(), 2);
        sleep(ms(5_000)).await;
        assert_eq!(network.dialled(), []);
    }

    fn reasons(outcome: Result<Connected<TcpStream>, Kind>) -> Vec<Reason> {
        match outcome {
            Err(Kind::Connect(attempts)) => attempts.iter().filter_map(|a| a.reason).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_nagle_is_off() {
        let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = vec![UNROUTABLE, LOCALHOST].into();
        let connected = connect(addresses, port, &TimeLimits::default())
            .await
            .unwrap();
        assert_eq!(connected.ip, LOCALHOST);
        assert!(connected.stream.nodelay().unwrap());
        let [other] = &connected.others[..] else {
            panic!("{connected:?}");
        };
        assert_eq!(
            (other.ip, other.reason),
            (UNROUTABLE, Some(Reason::ConnectUnreachable))
        );
    }

    #[tokio::test]
    async fn each_attempt_is_kept_with_its_reason() {
        let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let addresses = vec![UNROUTABLE, LOCALHOST].into();
        let outcome = connect(addresses, port, &TimeLimits::default()).await;
        assert_eq!(
            reasons(outcome),
            [Reason::ConnectUnreachable, Reason::ConnectRefused]
        );
    }

    /// Listens at both on one port; at `LOCALHOST` alone when this machine does
    /// not have the other one.
    async fn listen(other: IpAddr) -> (TcpListener, Option<TcpListener>) {
        for _ in 0..20 {
            let first = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
            let port = first.local_addr().unwrap().port();
            match TcpListener::bind((other, port)).await {
                Ok(second) => return (first, Some(second)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(_) => return (first, None),
            }
        }
        panic!("no port is free at {other} and {LOCALHOST}");
    }

    #[tokio::test]
    async fn ipv6_is_preferred_and_ipv4_is_there_for_it() {
        let (v4, v6) = listen(LOCALHOST_V6).await;
        let port = v4.local_addr().unwrap().port();
        let limits = TimeLimits::default();
        let mut hosts = Hosts::default();
        let file = "127.0.0.1 mail.example.com\n::1 mail.example.com\n";
        hosts.read_hosts_conf(file.as_bytes()).unwrap();
        let unneeded = Err(NetError::Message("no name server"));
        let resolver = Resolver::configured(unneeded, hosts);
        let host: Host = "mail.example.com".parse().unwrap();
        let resolve = async || resolver.resolve(&host).await.unwrap();
        let mut at_ipv6 = Reason::ConnectUnreachable;
        if let Some(v6) = v6 {
            let connected = connect(resolve().await, port, &limits).await.unwrap();
            assert_eq!(connected.ip, LOCALHOST_V6);
            drop(v6);
            at_ipv6 = Reason::ConnectRefused;
        }
        let connected = connect(resolve().await, port, &limits).await.unwrap();
        assert_eq!(connected.ip, LOCALHOST);
        drop(v4);
        let refused = connect(resolve().await, port, &limits).await;
        assert_eq!(reasons(refused), [at_ipv6, Reason::ConnectRefused]);
    }

    /// Fills the queue of a listener, which then drops what comes.
    async fn full(ip: IpAddr) -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((ip, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = timeout(ms(200), dial(ip, port)).await {
            queued.push(stream);
        }
        (listener, queued)
    }

    #[tokio::test]
    async fn a_silent_address_holds_the_next_one_up_for_its_delay_only() {
        let (silent, _queued) = full(LOCALHOST).await;
        let port = silent.local_addr().unwrap().port();
        let second = ip("127.0.0.2");
        let listener = TcpListener::bind((second, port)).await.unwrap();
        let started = Instant::now();
        let addresses = vec![LOCALHOST, second].into();
        let connected = connect(addresses, port, &TimeLimits::default())
            .await
            .unwrap();
        assert_eq!(connected.ip, second);
        assert!(started.elapsed() >= ATTEMPT_DELAY);
        assert!(started.elapsed() < ms(5_000), "{:?}", started.elapsed());
        drop(listener);
    }

    #[tokio::test]
    async fn the_losers_are_closed() {
        let (first, second) = listen(ip("127.0.0.2")).await;
        let second = second.unwrap();
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let addresses: [SocketAddr; 2] = [address(&first), address(&second)];
        // The first to connect loses: its connection is there, and comes late.
        let known: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
        let dial = |ip: IpAddr| async move {
            let stream = dial(ip, addresses[0].port()).await?;
            if ip == LOCALHOST {
                pending::<()>().await;
            }
            Ok(stream)
        };
        let limits = TimeLimits::default();
        let winner = race(known.into(), &limits, dial).await.unwrap();
        assert_eq!(winner.ip, addresses[1].ip());
        let (mut loser, _) = first.accept().await.unwrap();
        let end = timeout(ms(10_000), loser.read(&mut [0])).await.unwrap();
        assert_eq!(end.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_takes_its_limit_and_no_more() {
        let (listener, _queued) = full(LOCALHOST).await;
        let port = listener.local_addr().unwrap().port();
        let limits = TimeLimits {
            connect: ms(50),
            connect_total: ms(120),
            ..TimeLimits::default()
        };
        let started = Instant::now();
        let outcome = connect(vec![LOCALHOST; 9].into(), port, &limits).await;
        assert!(started.elapsed() >= ms(120));
        assert_eq!(reasons(outcome), [Reason::ConnectTimeout; 3]);
    }
}
