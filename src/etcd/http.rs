//! Plain HTTP/1: the second and third source about a member, for when its client port is silent, and its guard.

use std::{error::Error, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, body::Bytes, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{connection::connector, failure::chain};

/// The largest answer that is read, in bytes. A member list of nine is three kilobytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// A client. It keeps no connection: each would hold 25 KiB, and while hundreds of clusters are made at once that is most of
/// what an operator takes.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The URL is none.
    #[error("{0:?} is not a URL")]
    Url(String),
    /// No connection could be made.
    #[error("{0}")]
    NotSent(String),
    /// The deadline passed.
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    /// The connection broke, or what came was not HTTP.
    #[error("{0}")]
    Lost(String),
    /// The answer is larger than anything etcd would say there.
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client. Nothing is sent yet.
    pub fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector()) }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no whole answer within the deadline. Any status code is an answer.
    pub async fn get(&self, url: &str, deadline: Duration) -> Result<Reply, Fault> {
        let request = Request::builder().uri(url).body(Full::default());
        self.within(request.map_err(|_| Fault::Url(url.to_owned()))?, deadline).await
    }

    /// Sends a JSON body once, with a bearer token.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(
        &self,
        url: &str,
        token: &str,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Reply, Fault> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body));
        self.within(request.map_err(|_| Fault::Url(url.to_owned()))?, deadline).await
    }

    async fn within(&self, request: Request<Full<Bytes>>, deadline: Duration) -> Result<Reply, Fault> {
        tokio::time::timeout(deadline, self.ask(request)).await.unwrap_or(Err(Fault::NoAnswer(deadline)))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Reply, Fault> {
        let response = self.client.request(request).await.map_err(|error| match error.is_connect() {
            true => Fault::NotSent(chain(&error)),
            false => Fault::Lost(chain(&error)),
        })?;
        let status = response.status().as_u16();
        match Limited::new(response.into_body(), BODY_LIMIT).collect().await {
            Ok(body) => Ok(Reply { status, body: body.to_bytes() }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Fault::TooLarge),
            Err(error) => {
                let error: Box<dyn Error> = error;
                Err(Fault::Lost(chain(&*error)))
            }
        }
    }
}
