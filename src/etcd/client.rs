//! One client a member: what is asked of it, and what of it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use etcd_client::{AlarmAction, AlarmType, DowngradeOptions, MemberAddOptions, ResponseHeader};
use tokio::sync::OnceCell;

use super::{
    Answer, Call, Class, Failure,
    connection::Connection,
    http::{Fault, Http},
    peer::PeerMember,
};
use crate::plan::{ClusterId, Listed, MemberId, Report, Side, version::Minor};

/// Where a member is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Its client URL, such as `http://127.0.0.1:2379`.
    pub client_url: String,
    /// Its peer URL.
    pub peer_url: String,
    /// Its metrics URL, if it has one of its own. It answers also while the client URL does not.
    pub metrics_url: Option<String>,
}

/// Told of every call after it ended: which, how long it took, and the class of its failure if it failed.
pub type Observer = Arc<dyn Fn(Call, Duration, Option<&Class>) + Send + Sync>;

/// A client of one member. It connects at the first call and keeps one connection, which its clones share.
///
/// Every call has a deadline, [`Call::deadline`], and is made once: a failure says by its class whether asking again is
/// safe.
#[derive(Clone)]
pub struct MemberClient {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    http: Http,
    observer: Option<Observer>,
    connection: OnceCell<Connection>,
}

/// Counts the raft snapshots that were written to disk: one for each `.snap` file.
const RAFT_SNAPSHOTS: &str = "etcd_snap_fsync_duration_seconds_count";

/// A failure, as a result.
type Result<T> = std::result::Result<T, Failure>;

impl fmt::Debug for MemberClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemberClient").field(&self.inner.endpoint).finish()
    }
}

impl MemberClient {
    /// A client of the member at `endpoint`. Nothing is sent yet.
    pub fn new(endpoint: Endpoint, http: Http, observer: Option<Observer>) -> Self {
        Self { inner: Arc::new(Inner { endpoint, http, observer, connection: OnceCell::new() }) }
    }

    /// Where the member is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// What the member says of itself.
    ///
    /// `/readyz` is asked only of a voter that knows a leader: without a leader it takes seven seconds to say no, and a
    /// learner never is ready. Alarms that can't be read in time are left out.
    ///
    /// # Errors
    /// When Status fails.
    pub fn report(&self) -> impl Future<Output = Result<Report>> + Send {
        self.described(false)
    }

    /// The same of a member that is known to be ready, as far as a voter that knows a leader can be.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn report_of_ready(&self) -> impl Future<Output = Result<Report>> + Send {
        self.described(true)
    }

    async fn described(&self, vouched: bool) -> Result<Report> {
        let status = self
            .grpc(Call::Status, |mut connection| async move { connection.maintenance.status().await })
            .await?;
        let (cluster_id, id, revision) = self.identity(Call::Status, status.header())?;
        let leader = (status.leader() != 0).then(|| MemberId(status.leader()));
        let serving = leader.is_some() && !status.is_learner();
        // The text differs by version, so it is only a hint; alarms need a quorum and are not served by learners.
        let alarmed = serving && status.errors().iter().any(|one| one.contains("alarm"));
        let (ready, alarms) = tokio::join!(async { serving && (vouched || self.ready().await) }, async {
            if alarmed { self.alarms().await.unwrap_or_default() } else { Vec::new() }
        },);
        // etcd 3.5 raises CORRUPT for member 0 when it can't tell whose data is bad: it concerns every member.
        let alarms = alarms.into_iter().filter(|(of, _)| *of == id || of.0 == 0).map(|(_, alarm)| alarm);
        Ok(Report {
            id,
            cluster_id,
            leader,
            term: status.raft_term(),
            learner: status.is_learner(),
            raft_index: status.raft_index(),
            applied_index: status.raft_applied_index(),
            db_size: status.db_size(),
            db_size_in_use: status.raft_used_db_size(),
            version: status.version().to_owned(),
            storage: Minor::of(status.storage_version()),
            downgrade: status
                .downgrade_info()
                .filter(|info| info.enabled())
                .and_then(|info| Minor::of(info.target_version())),
            cluster_version: None,
            raft_snapshots: None,
            revision,
            alarms: alarms.collect(),
            ready,
        })
    }

    /// All alarms of the cluster, with the members they are raised for; they may name members that are gone, and 0.
    ///
    /// # Errors
    /// When the call fails: it needs a quorum.
    pub async fn alarms(&self) -> Result<Vec<(MemberId, String)>> {
        let response = self
            .grpc(Call::Alarms, |mut connection| async move {
                connection.maintenance.alarm(AlarmAction::Get, AlarmType::None, None).await
            })
            .await?;
        let name = |alarm| match alarm {
            AlarmType::None => "NONE",
            AlarmType::Nospace => "NOSPACE",
            AlarmType::Corrupt => "CORRUPT",
        };
        let alarms = response.alarms().iter();
        Ok(alarms.map(|one| (MemberId(one.member_id()), name(one.alarm()).to_owned())).collect())
    }

    /// The member list, read linearizably, and the cluster it is of.
    ///
    /// # Errors
    /// When the call fails: it needs a quorum.
    pub async fn members(&self) -> Result<(ClusterId, Vec<Listed>)> {
        let response = self
            .grpc(Call::Members, |mut connection| async move { connection.cluster.member_list().await })
            .await?;
        let (cluster_id, ..) = self.identity(Call::Members, response.header())?;
        let members = response.members().iter().map(|one| Listed {
            id: MemberId(one.id()),
            name: one.name().to_owned(),
            peer_urls: one.peer_urls().to_vec(),
            learner: one.is_learner(),
        });
        Ok((cluster_id, members.collect()))
    }

    /// The member list as this member's peers may read it: without a quorum and without authentication, maybe old.
    ///
    /// # Errors
    /// When the peer URL gives no such list.
    pub async fn hearsay(&self) -> Result<Vec<Listed>> {
        let url = format!("{}/members", self.inner.endpoint.peer_url.trim_end_matches('/'));
        self.observed(Call::Hearsay, async {
            let (status, body) = self.get(Call::Hearsay, Side::Peer, &url).await?;
            if status != 200 {
                return Err(Failure::nonsense(Call::Hearsay, &url, format!("HTTP status {status}")));
            }
            let list = PeerMember::list(&body)
                .map_err(|error| Failure::nonsense(Call::Hearsay, &url, error.to_string()))?;
            Ok(list.into_iter().map(Listed::from).collect())
        })
        .await
    }

    /// Adds a learner with this peer URL, and gives its ID.
    ///
    /// # Errors
    /// By class; [`Class::Ambiguous`] means that it may be in the list.
    pub async fn add_learner(&self, peer_url: &str) -> Result<MemberId> {
        let options = MemberAddOptions::new().with_is_learner();
        let urls = [peer_url.to_owned()];
        let response = self
            .grpc(Call::AddLearner, |mut connection| async move {
                connection.cluster.member_add(urls, Some(options)).await
            })
            .await?;
        match response.member() {
            Some(member) => Ok(MemberId(member.id())),
            None => Err(self.incomplete(Call::AddLearner)),
        }
    }

    /// Makes a learner a voter.
    ///
    /// # Errors
    /// By class; [`Class::Done`] means that it is one.
    pub async fn promote(&self, id: MemberId) -> Result<()> {
        self.grpc(
            Call::Promote,
            |mut connection| async move { connection.cluster.member_promote(id.0).await },
        )
        .await?;
        Ok(())
    }

    /// Removes a member. Asked without a quorum it may happen minutes later.
    ///
    /// # Errors
    /// By class; [`Class::Done`] means that it is gone.
    pub async fn remove(&self, id: MemberId) -> Result<()> {
        self.grpc(Call::Remove, |mut connection| async move { connection.cluster.member_remove(id.0).await })
            .await?;
        Ok(())
    }

    /// Gives a member another peer URL in the member list.
    ///
    /// # Errors
    /// By class. Its own URL is no error.
    pub async fn update_peer_url(&self, id: MemberId, peer_url: &str) -> Result<()> {
        let urls = [peer_url.to_owned()];
        self.grpc(Call::UpdatePeerUrl, |mut connection| async move {
            connection.cluster.member_update(id.0, urls).await
        })
        .await?;
        Ok(())
    }

    /// Hands leadership to another voter. Only the leader can; to itself is no error.
    ///
    /// # Errors
    /// By class. To a voter that is down or stopped it never answers and costs a second of writes, so only a voter that
    /// answered just now should be named.
    pub async fn move_leader(&self, to: MemberId) -> Result<()> {
        self.grpc(Call::MoveLeader, |mut connection| async move {
            connection.maintenance.move_leader(to.0).await
        })
        .await?;
        Ok(())
    }

    /// The hash of all keys up to a revision, and the revision below which this member has compacted.
    ///
    /// # Errors
    /// When the member does not have this revision yet or any more, or the call fails.
    pub async fn hash_kv(&self, revision: i64) -> Result<(u32, i64)> {
        let response =
            self.grpc(Call::HashKv, |mut connection| async move {
                connection.maintenance.hash_kv(revision).await
            })
            .await?;
        Ok((response.hash(), response.compact_version()))
    }

    /// The cluster version, as this member has it.
    ///
    /// # Errors
    /// When the peer URL does not tell it.
    pub async fn cluster_version(&self) -> Result<Minor> {
        let url = format!("{}/version", self.inner.endpoint.peer_url.trim_end_matches('/'));
        self.observed(Call::Version, async {
            let (_, body) = self.get(Call::Version, Side::Peer, &url).await?;
            let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let version = said.get("etcdcluster").and_then(|version| version.as_str());
            version.and_then(Minor::of).ok_or_else(|| {
                Failure::nonsense(Call::Version, &url, format!("the cluster version is {version:?}"))
            })
        })
        .await
    }

    /// How many raft snapshots the member's process has taken since it started.
    ///
    /// # Errors
    /// When its metrics do not tell it.
    pub async fn raft_snapshots(&self) -> Result<u64> {
        let Endpoint { client_url, metrics_url, .. } = &self.inner.endpoint;
        let url = format!("{}/metrics", metrics_url.as_ref().unwrap_or(client_url).trim_end_matches('/'));
        self.observed(Call::RaftSnapshots, async {
            let (_, body) = self.get(Call::RaftSnapshots, Side::Client, &url).await?;
            let text = String::from_utf8_lossy(&body);
            let count = text.lines().find_map(|line| line.strip_prefix(RAFT_SNAPSHOTS)?.trim().parse().ok());
            count.ok_or_else(|| {
                Failure::nonsense(Call::RaftSnapshots, &url, format!("there is no {RAFT_SNAPSHOTS}"))
            })
        })
        .await
    }

    /// Enables a downgrade of the cluster to a minor version, or gives up the one that is enabled.
    ///
    /// # Errors
    /// By class; [`Class::Done`] means that it is so already.
    pub async fn downgrade(&self, to: Option<Minor>) -> Result<()> {
        let options =
            to.map_or(DowngradeOptions::Cancel, |minor| DowngradeOptions::Enable(format!("{minor}.0")));
        self.grpc(Call::Downgrade, |mut connection| async move {
            connection.maintenance.downgrade(options).await
        })
        .await?;
        Ok(())
    }

    /// Whether the member serves linearizable reads as a voter; no answer is a no.
    async fn ready(&self) -> bool {
        let Endpoint { client_url, metrics_url, .. } = &self.inner.endpoint;
        let url = format!("{}/readyz", metrics_url.as_ref().unwrap_or(client_url).trim_end_matches('/'));
        let answer = self.observed(Call::Ready, self.get(Call::Ready, Side::Client, &url)).await;
        matches!(answer, Ok((200, _)))
    }

    /// Makes one gRPC call on the member's connection, within its deadline.
    async fn grpc<T, F>(&self, call: Call, work: impl FnOnce(Connection) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, etcd_client::Error>>,
    {
        let member = self.inner.endpoint.client_url.as_str();
        self.observed(call, async {
            let asked = async {
                let made = self
                    .inner
                    .connection
                    .get_or_try_init(|| Connection::lazy(member, self.inner.http.credentials()))
                    .await;
                let connection = made.map_err(|error| Failure::bad_url(call, member, &error))?;
                work(connection.clone()).await.map_err(|error| Failure::of_client(call, member, &error))
            };
            let answered = tokio::time::timeout(call.deadline(), asked).await;
            answered.unwrap_or_else(|_| Err(Failure::no_answer(call, member)))
        })
        .await
    }

    /// Makes one plain HTTP call.
    async fn get(&self, call: Call, side: Side, url: &str) -> Result<(u16, hyper::body::Bytes)> {
        match self.inner.http.get_as(side, url, call.deadline()).await {
            Ok(reply) => Ok((reply.status, reply.body)),
            Err(Fault::NoAnswer(_)) => Err(Failure::no_answer(call, url)),
            Err(fault) => {
                let answer = match fault {
                    Fault::NotSent(_) => Answer::NotSent,
                    Fault::TooLarge | Fault::Url(_) => Answer::Nonsense,
                    Fault::Lost(_) | Fault::NoAnswer(_) => Answer::Lost,
                };
                Err(Failure::new(call, url, answer, fault.to_string()))
            }
        }
    }

    /// Tells the observer how a call ended.
    async fn observed<T>(&self, call: Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let result = work.await;
        if let Some(observer) = &self.inner.observer {
            observer(call, began.elapsed(), result.as_ref().err().map(|failure| &failure.class));
        }
        result
    }

    /// Cluster ID, member ID and revision in the header of an answer.
    fn identity(&self, call: Call, header: Option<&ResponseHeader>) -> Result<(ClusterId, MemberId, i64)> {
        let header = header.ok_or_else(|| self.incomplete(call))?;
        Ok((ClusterId(header.cluster_id()), MemberId(header.member_id()), header.revision()))
    }

    fn incomplete(&self, call: Call) -> Failure {
        Failure::nonsense(call, &self.inner.endpoint.client_url, "the answer lacks a part".into())
    }
}
