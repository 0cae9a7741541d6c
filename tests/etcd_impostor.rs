//! The client of a member when what answers is no etcd, or nothing answers at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod common;

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Instant,
};

use common::{MILLIS, SECONDS, within};
use quorate::{
    etcd::{Call, Class, Endpoint, MemberClient, Observer, http::Http},
    plan::MemberId,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// A server on a free port that does `serve` with every connection, and a client of it.
async fn impostor<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> MemberClient
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let endpoint = Endpoint { client_url: url.clone(), peer_url: url, metrics_url: None };
    MemberClient::new(endpoint, Http::new(), None)
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers() {
    let client = impostor(|stream| async move {
        sleep(SECONDS(60)).await;
        drop(stream);
    })
    .await;
    let (report, hearsay, members, change) = tokio::join!(
        within(MILLIS(1_700), client.report()),
        within(MILLIS(1_700), client.hearsay()),
        within(MILLIS(2_200), client.members()),
        within(MILLIS(5_200), client.remove(MemberId(1))),
    );
    let failures = [report.unwrap_err(), hearsay.unwrap_err(), members.unwrap_err(), change.unwrap_err()];
    for failure in &failures {
        assert!(failure.message.starts_with("no answer within"), "{failure}");
    }
    assert_eq!(failures[2].class, Class::RetryAfter(SECONDS(1)));
    assert_eq!(failures[3].class, Class::Ambiguous);
}

#[tokio::test]
async fn a_server_that_speaks_something_else() {
    let client = impostor(|mut stream| async move {
        let _ =
            stream.write_all(b"220 mail.example ready, and a good evening to you, whoever you are\r\n").await;
        sleep(SECONDS(1)).await;
    })
    .await;
    let read = within(MILLIS(500), client.report()).await.unwrap_err();
    println!("{read}");
    assert_eq!(read.class, Class::Broken, "{read}");
    assert!(read.to_string().contains("another program on this port"), "{read}");
    let change = within(MILLIS(500), client.remove(MemberId(1))).await.unwrap_err();
    assert_eq!(change.class, Class::Ambiguous, "{change}");
    let hearsay = within(MILLIS(500), client.hearsay()).await.unwrap_err();
    println!("{hearsay}");
    assert_ne!(hearsay.class, Class::Ambiguous);
}

#[tokio::test]
async fn a_server_that_speaks_http_and_is_no_etcd() {
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"no\": \"etcd\"";
    let client = impostor(move |mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(reply).await;
        sleep(SECONDS(1)).await;
    })
    .await;
    for failure in [client.report().await.unwrap_err(), client.hearsay().await.unwrap_err()] {
        println!("{failure}");
        assert_eq!(failure.class, Class::Broken, "{failure}");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let client = impostor(move |mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b' '; 65_536]).await.is_ok() {}
    })
    .await;
    let failure = client.hearsay().await.unwrap_err();
    assert!(failure.message.contains("larger than 1 MiB"), "{failure}");
}

#[tokio::test]
async fn nobody_at_the_port_and_no_port_at_all() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let observer: Observer =
        Arc::new(move |call, _, class| told.lock().unwrap().push((call, class.copied())));
    for (url, class) in [
        (format!("http://127.0.0.1:{}", common::ports::free_port()), Class::RetryAfter(MILLIS(500))),
        ("http://no such host".to_owned(), Class::Broken),
        ("https://127.0.0.1:1".to_owned(), Class::Broken),
    ] {
        let endpoint = Endpoint { client_url: url.clone(), peer_url: url.clone(), metrics_url: None };
        let client = MemberClient::new(endpoint, Http::new(), Some(observer.clone()));
        let began = Instant::now();
        let failure = client.remove(MemberId(1)).await.unwrap_err();
        println!("{failure}");
        assert_eq!(failure.class, class, "{failure}");
        assert!(began.elapsed() < MILLIS(200));
        assert_eq!(seen.lock().unwrap().pop(), Some((Call::Remove, Some(class))));
    }
}

/// The futures can be spawned on a runtime of many threads.
#[test]
fn calls_can_be_sent_between_threads() {
    fn send<T: Send>(_: &T) {}
    let url = String::new();
    let endpoint = Endpoint { client_url: url.clone(), peer_url: url, metrics_url: None };
    let client = MemberClient::new(endpoint, Http::new(), None);
    send(&client.report());
    send(&client.members());
    send(&client.hearsay());
    send(&client.add_learner(""));
}
