//! Clients that take their time: each is cut off, and others are served meanwhile.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::doors::{Door, House, LONGEST};

/// Time between two bytes of a client that drips.
const DRIP: Duration = Duration::from_millis(500);

/// How a client wastes time.
#[derive(Clone, Copy, Debug)]
enum Sloth {
    /// It says nothing.
    Silent,
    /// A byte of the head now and then.
    Head,
    /// One header field after the other.
    Fields,
    /// A byte of the announced body now and then.
    Body,
    /// A chunk of one byte now and then.
    Chunks,
    /// It has asked before, and says no more.
    Idle,
    /// It has asked before, then drips.
    SecondHead,
}

const ALL: [Sloth; 7] = [
    Sloth::Silent,
    Sloth::Head,
    Sloth::Fields,
    Sloth::Body,
    Sloth::Chunks,
    Sloth::Idle,
    Sloth::SecondHead,
];

impl Sloth {
    /// What is sent at once, and what is repeated.
    fn words(self, door: &Door) -> (Vec<u8>, &'static [u8]) {
        match self {
            Self::Silent => (Vec::new(), b""),
            Self::Head => (b"POST /".to_vec(), b"a"),
            Self::Fields => (b"POST / HTTP/1.1\r\nHost: door\r\n".to_vec(), b"A: b\r\n"),
            Self::Body => (door.head("Content-Length: 1000000\r\n").into_bytes(), b" "),
            Self::Chunks => (
                door.head("Transfer-Encoding: chunked\r\n").into_bytes(),
                b"1\r\n \r\n",
            ),
            Self::Idle => (door.request(""), b""),
            Self::SecondHead => ([door.request(""), b"POST /".to_vec()].concat(), b"a"),
        }
    }

    /// Drips until the other side has had enough; gives how long that took.
    async fn drip(self, door: &Door) -> Duration {
        let started = Instant::now();
        let (first, more) = self.words(door);
        let (mut reader, mut writer) = tokio::io::split(door.connect().await);
        let dripping = async {
            let mut is_open = writer.write_all(&first).await.is_ok();
            while is_open {
                tokio::time::sleep(DRIP).await;
                is_open = writer.write_all(more).await.is_ok();
            }
            // The end of reading decides.
            std::future::pending::<()>().await;
        };
        let reading = async {
            // A reset is an end, too.
            let _ = reader.read_to_end(&mut Vec::new()).await;
        };
        let closed = async {
            tokio::select! {
                () = dripping => {}
                () = reading => {}
            }
        };
        tokio::time::timeout(LONGEST, closed)
            .await
            .unwrap_or_else(|_| panic!("{}: {self:?} is never cut off", door.name));
        started.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_their_time_are_cut_off_on_every_port() {
    let house = House::open();
    let sloths = house.doors.iter().flat_map(|door| {
        ALL.map(|sloth| async move { (door.name, sloth, sloth.drip(door).await) })
    });
    let others = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        for door in &house.doors {
            door.assert_serves("slow clients have come").await;
        }
    };
    let (took, ()) = tokio::join!(join_all(sloths), others);
    for (door, sloth, took) in took {
        println!("{door}: {sloth:?} was cut off after {took:.1?}");
    }
    house.assert_well("slow clients", 200).await;
}

/// A client that asks and asks and never listens does not hold its connection for ever.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_read_are_cut_off_on_every_port() {
    let house = House::open();
    let deaf = house.doors.iter().map(|door| async move {
        let wire = door.connect().await;
        let (_kept, mut writer) = tokio::io::split(wire);
        let asking = async {
            let request = door.cheap_request().repeat(100);
            while writer.write_all(&request).await.is_ok() {}
        };
        tokio::time::timeout(LONGEST, asking)
            .await
            .unwrap_or_else(|_| panic!("{}: it waits for ever to be read", door.name));
    });
    join_all(deaf).await;
    house.assert_well("deaf clients", 250).await;
}
