//! WebSocket through the gate, both ends nobody here wrote.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    accept_async, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::{client::Client, stage::Stage};

/// S34, S25: no token, no upgrade; messages both ways, large ones too; the end of the grant is the
/// end of the connection, on both sides.
#[tokio::test]
async fn s34_a_websocket_ends_with_its_grant() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ws", socket.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (stream, _) = socket.accept().await.unwrap();
        let mut stream = accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = stream.next().await {
            if message.is_text() || message.is_binary() {
                stream.send(message).await.unwrap();
            }
        }
    });
    let stage = Stage::configured(|_| format!("    routes:\n      - {{ path: /mcp, backend: '{url}' }}\n")).await;
    let client = Client::discover(&stage.resource).await;
    let tokens = client.tokens("ada").await;
    let address = stage.resource.replacen("http", "ws", 1);
    let Err(Error::Http(refused)) = connect_async(&address).await else { panic!("upgraded without a token") };
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    let with = |origin: Option<&'static str>| {
        let mut request = address.as_str().into_client_request().unwrap();
        let bearer = format!("Bearer {}", tokens.access);
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        request
    };
    let Err(Error::Http(foreign)) = connect_async(with(Some("https://evil.example"))).await else { panic!("P-1") };
    assert_eq!(foreign.status(), 403);
    let (mut stream, answer) = connect_async(with(None)).await.unwrap();
    assert_eq!(answer.status(), 101);
    for message in [Message::text("hello"), Message::binary(vec![7; 200_000])] {
        stream.send(message.clone()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), message);
    }
    client.revoke(tokens.refresh_token()).await;
    let end = timeout(Duration::from_secs(1), stream.next()).await.expect("within a second");
    assert!(!matches!(end, Some(Ok(Message::Text(_) | Message::Binary(_)))), "{end:?}");
    timeout(Duration::from_secs(1), served).await.expect("the backend's side ends").unwrap();
    stage.stop().await;
}
