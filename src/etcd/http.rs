//! Plain HTTP/1: the second and third source about a member, for when its client port is silent, and its guard.

use std::{error::Error, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, body::Bytes, header, http::uri::Scheme};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::{TokioExecutor, TokioTimer},
};
use jiff::Timestamp;
use rustls::{ClientConfig, pki_types::ServerName};

use super::{
    connection::{connector, secured},
    credentials::Credentials,
    failure::chain,
};
use crate::plan::{Side, Sides};

/// The largest answer that is read, in bytes. A member list of nine is three kilobytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How long a connection is kept that nothing is asked on. Members at rest are asked three times as often.
const KEPT: Duration = Duration::from_secs(60);

/// A client. It keeps no connection, unless it is asked to: each holds 25 KiB, and while hundreds of clusters are made at once
/// that would be most of what an operator takes.
#[derive(Debug, Clone)]
pub struct Http {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Under TLS, for each of the two kinds of URLs.
    secure: Sides<Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>>,
    credentials: Credentials,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// What time it is where the answer comes from, in whole seconds.
    pub date: Option<Timestamp>,
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
    /// A client of plain text. It has no connections yet; they are made when they are needed.
    pub fn new() -> Self {
        Self::with(Credentials::default())
    }

    /// A client of the members of a cluster.
    pub fn with(credentials: Credentials) -> Self {
        let of = |config: &Option<Arc<ClientConfig>>, name: &Option<ServerName<'static>>| {
            config.as_ref().map(|config| unpooled(secured(Arc::clone(config), name.as_ref())))
        };
        let secure = Sides {
            peer: of(&credentials.peer, &credentials.names.peer),
            client: of(&credentials.client, &credentials.names.client),
        };
        Self { plain: unpooled(connector()), secure, credentials }
    }

    /// A client of plain text that keeps a connection to whom it asks, for a while after the last time.
    pub fn keeping() -> Self {
        let mut kept = Client::builder(TokioExecutor::new());
        kept.pool_max_idle_per_host(1).pool_idle_timeout(KEPT).pool_timer(TokioTimer::new());
        Self { plain: kept.build(connector()), ..Self::new() }
    }

    /// What it was made with.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Asks once: under TLS as one of the peers.
    ///
    /// # Errors
    /// When there is no whole answer within the deadline. Any status code is an answer.
    pub async fn get(&self, url: &str, deadline: Duration) -> Result<Reply, Fault> {
        self.get_as(Side::Peer, url, deadline).await
    }

    /// As [`Self::get`]: under TLS as one of the peers, or as a client.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_as(&self, side: Side, url: &str, deadline: Duration) -> Result<Reply, Fault> {
        let request = Request::builder().uri(url).body(Full::default());
        self.within(side, request.map_err(|_| Fault::Url(url.to_owned()))?, deadline).await
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
        self.within(Side::Peer, request.map_err(|_| Fault::Url(url.to_owned()))?, deadline).await
    }

    async fn within(
        &self,
        side: Side,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Reply, Fault> {
        let asked = tokio::time::timeout(deadline, self.ask(side, request));
        asked.await.unwrap_or(Err(Fault::NoAnswer(deadline)))
    }

    async fn ask(&self, side: Side, request: Request<Full<Bytes>>) -> Result<Reply, Fault> {
        let secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        let asked = match (self.secure.get(side), secure) {
            (Some(client), true) => client.request(request),
            (None, true) => return Err(Fault::NotSent("there are no certificates to ask with".into())),
            (_, false) => self.plain.request(request),
        };
        let response = asked.await.map_err(|error| match error.is_connect() {
            true => Fault::NotSent(chain(&error)),
            false => Fault::Lost(chain(&error)),
        })?;
        let status = response.status().as_u16();
        let date = response.headers().get(header::DATE).and_then(|date| moment(date.to_str().ok()?));
        match Limited::new(response.into_body(), BODY_LIMIT).collect().await {
            Ok(body) => Ok(Reply { status, body: body.to_bytes(), date }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Fault::TooLarge),
            Err(error) => {
                let error: Box<dyn Error> = error;
                Err(Fault::Lost(chain(&*error)))
            }
        }
    }
}

/// A date of HTTP, which has the form of those in mails (RFC 9110, section 5.6.7).
fn moment(date: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}

fn unpooled<C: Connect + Clone>(connector: C) -> Client<C, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}
