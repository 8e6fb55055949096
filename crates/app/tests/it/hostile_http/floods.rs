//! Clients in great numbers: idle ones, half-said heads, pipelines, resets.

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answers::answers;
use super::doors::{Door, House, LONGEST};

/// Idle connections on one port, and how many are opened at once.
const IDLE: usize = 10_000;
const AT_ONCE: usize = 200;

/// Allows this process as many descriptors as it may have, and gives that number.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    maximum.map_or(usize::MAX, |room| usize::try_from(room).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_leave_every_port_serving() {
    let room = raise_descriptor_limit();
    let house = House::open();
    // Each is a descriptor here and one there; both processes need some for other things.
    let count = IDLE.min(room.saturating_sub(500));
    if count < IDLE {
        println!("only {count} of {IDLE} connections: `ulimit -n` is {room}");
    }
    for door in &house.doors {
        let mut idle = Vec::with_capacity(count);
        while idle.len() < count {
            let more = AT_ONCE.min(count - idle.len());
            idle.extend(join_all((0..more).map(|_| door.connect())).await);
        }
        for other in &house.doors {
            other.assert_serves("10,000 idle connections").await;
        }
        println!(
            "{}: {} idle, {} MiB",
            door.name,
            idle.len(),
            house.resident()
        );
        drop(idle);
        house.forget_connections().await;
    }
    house.assert_well("idle connections", 400).await;
}

/// Heads that never end take memory as long as they may; all together, not more than is there.
#[tokio::test(flavor = "multi_thread")]
async fn half_said_heads_take_a_bounded_share_of_memory() {
    let house = House::open();
    let piece = [
        b"POST / HTTP/1.1\r\nHost: door\r\nX-Big: ".to_vec(),
        vec![b'x'; 240 * 1024],
    ]
    .concat();
    // 1.2 GB if all of it were kept.
    let all = house.doors.iter().map(|door| async {
        let mut open = Vec::new();
        for _ in 0..1000 {
            let mut wire = door.connect().await;
            // Those that are too many are cut off.
            let sending = wire.write_all(&piece);
            let _ = tokio::time::timeout(LONGEST, sending).await.unwrap();
            open.push(wire);
        }
        door.assert_serves("half-said heads").await;
        open
    });
    let open = join_all(all).await;
    house.assert_well("half-said heads", 400).await;
    drop(open);
}

/// A thousand requests in one go get a thousand answers.
async fn pipeline(door: &Door) {
    const COUNT: usize = 1000;
    let requests: Vec<u8> = (0..COUNT).flat_map(|_| door.request("")).collect();
    let last = door.request("Connection: close\r\n");
    let (mut reader, mut writer) = tokio::io::split(door.connect().await);
    let sending = async {
        writer.write_all(&requests).await.unwrap();
        writer.write_all(&last).await.unwrap();
    };
    let mut bytes = Vec::new();
    let both = async { tokio::join!(sending, reader.read_to_end(&mut bytes)) };
    let ((), read) = tokio::time::timeout(LONGEST, both).await.unwrap();
    read.unwrap();
    let answers = answers(&bytes);
    assert_eq!(answers.len(), COUNT + 1, "{}", door.name);
    for answer in answers {
        assert!(door.is_good(answer.status), "{}: {answer:?}", door.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_a_thousand_requests_is_answered_on_every_port() {
    let house = House::open();
    join_all(house.doors.iter().map(pipeline)).await;
    house.assert_well("pipelines", 250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_reset_midway_leave_every_port_serving() {
    let house = House::open();
    let resets = house.doors.iter().flat_map(|door| {
        (0..200).map(move |number| async move {
            let request = door.request("");
            let part = &request[..request.len() * (number % 20 + 1) / 20];
            let Some(address) = door.tcp() else {
                // A Unix socket knows no reset; being dropped comes closest.
                let _ = door.connect().await.write_all(part).await;
                return;
            };
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(part).await;
            stream.set_zero_linger().unwrap();
            drop(stream);
        })
    });
    join_all(resets).await;
    house.assert_well("resets", 200).await;
}
