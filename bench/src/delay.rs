//! Makes a network of loopback: what passes is held up for half a round trip in
//! each direction, in user space. It delays, and limits nothing else: a queue
//! takes what comes in meanwhile. Threads, since a timer of tokio's is as coarse
//! as a millisecond.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant},
};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// How many chunks may be on their way in one direction.
const QUEUE: usize = 4096;

/// Accepts connections for ever, and carries each to `target`.
pub fn start(target: SocketAddr, round_trip: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // A client whose connection leads nowhere notices by itself.
            drop(link(near, target, round_trip / 2));
        }
    });
    Ok(address)
}

fn link(near: TcpStream, target: SocketAddr, one_way: Duration) -> io::Result<()> {
    let far = TcpStream::connect_timeout(&target, Duration::from_secs(10))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    carry(near.try_clone()?, far.try_clone()?, one_way);
    carry(far, near, one_way);
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (leave, arrive) = sync_channel::<(Instant, Vec<u8>)>(QUEUE);
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let due = Instant::now() + one_way;
            if leave.send((due, chunk[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, octets) in arrive {
            #[expect(
                clippy::disallowed_methods,
                reason = "the thread has nothing else to do"
            )]
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&octets).is_err() {
                break;
            }
        }
        // Gone already, perhaps.
        drop(to.shutdown(Shutdown::Write));
    });
}

/// Sends back what comes, for measuring the round trip.
pub fn echo() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo_one(stream));
        }
    });
    Ok(address)
}

fn echo_one(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut chunk = vec![0; CHUNK];
    while let count @ 1.. = stream.read(&mut chunk)? {
        stream.write_all(&chunk[..count])?;
    }
    Ok(())
}
