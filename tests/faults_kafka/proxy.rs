//! Between clients and a broker: replies to `EndTxn` get lost or come late, everything else passes.
//!
//! Of Kafka's protocol it knows no more than the frame (four bytes of length), and the kind and the
//! number at the head of each request and reply.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;
use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The kind of the request that ends a transaction.
const END_TXN: i16 = 26;

/// What becomes of the next replies to `EndTxn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// The broker has done as asked, and the reply never comes.
    Swallow,
    /// The broker has done as asked, and the connection breaks.
    Break,
    /// The reply comes so much later.
    Delay(Duration),
}

/// The trick, and how often it is still played.
type Tricks = Arc<Mutex<Option<(Trick, usize)>>>;

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    port: u16,
    to: Arc<Mutex<String>>,
    tricks: Tricks,
}

impl Proxy {
    /// Listens; nothing passes before [`Proxy::lead_to`].
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, to: Arc::default(), tricks: Tricks::default() };
        let (to, tricks) = (Arc::clone(&proxy.to), Arc::clone(&proxy.tricks));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to = to.lock().unwrap().clone();
                // Nobody there yet: the client tries again.
                let Ok(broker) = TcpStream::connect(to) else { continue };
                connect(&client, &broker, &tricks).unwrap();
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn lead_to(&self, broker: &str) {
        broker.clone_into(&mut self.to.lock().unwrap());
    }

    /// Plays `trick` on the next `count` replies.
    pub(crate) fn play(&self, trick: Trick, count: usize) {
        *self.tricks.lock().unwrap() = Some((trick, count));
    }

    /// How often the trick is still to be played.
    pub(crate) fn left(&self) -> usize {
        self.tricks.lock().unwrap().map_or(0, |(_, left)| left)
    }
}

/// Carries one connection both ways.
fn connect(client: &TcpStream, broker: &TcpStream, tricks: &Tricks) -> Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let ends = Arc::<Mutex<BTreeSet<i32>>>::default();
    let (from, to) = (client.try_clone()?, broker.try_clone()?);
    let noted = Arc::clone(&ends);
    std::thread::spawn(move || {
        // Either side may hang up at any time; the other one hears of it.
        let _ended = carry_requests(&from, &to, &noted);
        hang_up(&from, &to);
    });
    let (from, to) = (broker.try_clone()?, client.try_clone()?);
    let tricks = Arc::clone(tricks);
    std::thread::spawn(move || {
        let _ended = carry_replies(&from, &to, &ends, &tricks);
        hang_up(&from, &to);
    });
    Ok(())
}

fn hang_up(one: &TcpStream, other: &TcpStream) {
    for side in [one, other] {
        let _gone = side.shutdown(Shutdown::Both);
    }
}

fn frame(mut from: &TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap_or(0)];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn pass_on(frame: &[u8], mut to: &TcpStream) -> Result<()> {
    let length = i32::try_from(frame.len()).unwrap().to_be_bytes();
    to.write_all(&[&length, frame].concat())
}

/// Notes the number of each `EndTxn`.
fn carry_requests(from: &TcpStream, to: &TcpStream, ends: &Mutex<BTreeSet<i32>>) -> Result<()> {
    loop {
        let request = frame(from)?;
        if let [kind0, kind1, _, _, n0, n1, n2, n3, ..] = request[..]
            && i16::from_be_bytes([kind0, kind1]) == END_TXN
        {
            ends.lock().unwrap().insert(i32::from_be_bytes([n0, n1, n2, n3]));
        }
        pass_on(&request, to)?;
    }
}

fn carry_replies(
    from: &TcpStream,
    to: &TcpStream,
    ends: &Mutex<BTreeSet<i32>>,
    tricks: &Tricks,
) -> Result<()> {
    loop {
        let reply = frame(from)?;
        let number = reply.first_chunk().map_or(-1, |number| i32::from_be_bytes(*number));
        let is_end = ends.lock().unwrap().remove(&number);
        match if is_end { next(tricks) } else { None } {
            None => pass_on(&reply, to)?,
            Some(Trick::Swallow) => {}
            Some(Trick::Break) => return Ok(()),
            Some(Trick::Delay(delay)) => {
                std::thread::sleep(delay);
                pass_on(&reply, to)?;
            }
        }
    }
}

/// The trick to play now.
fn next(tricks: &Tricks) -> Option<Trick> {
    let mut tricks = tricks.lock().unwrap();
    let (trick, left) = tricks.as_mut()?;
    *left = left.checked_sub(1)?;
    Some(*trick)
}
