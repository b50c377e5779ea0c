//! Peers that are connected to this node and do not hear it.
//!
//! A peer says which messages it wants when the first connection between the two opens, and on further ones no
//! more. (So do `libp2p-scatter` 0.3 and `libp2p-gossipsub` 0.49, and the engine repeats it for its
//! synchronisation only.) Where this node has lost a connection and the peer has not noticed, because the
//! machine lost its power or a fault of the network was short, this node's next connection is a further
//! one to the peer: it says nothing on it, and what this node says never reaches it, while what the peer says
//! arrives. So this node looks at what its peers have told it, and hangs up on those that have told it too
//! little. They connect again, for both the first time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use arc_malachitebft_app_channel::NetworkRequest;
use arc_malachitebft_app_channel::app::engine::network::{
    Msg, NetworkEvent, NetworkRef, Subscriber,
};
use arc_malachitebft_app_channel::app::engine::util::output_port::{
    OutputPort, OutputPortSubscriberTrait,
};
use arc_malachitebft_app_channel::app::types::PeerId;
use arc_malachitebft_network::validator_proof::ProofVerificationResult;
use arc_malachitebft_network::{Channel, ChannelNames, GossipSubConfig, PeerIdExt as _};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::types::Althing;
use crate::cluster::config::Gossip;

/// How often a node looks whether its peers hear it.
const EVERY: Duration = Duration::from_secs(2);

/// How long a peer has for saying what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the network may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Hangs up on peers that do not hear this node, as long as the engine runs.
pub(super) async fn keep_heard(
    network: NetworkRef<Althing>,
    requests: mpsc::Sender<NetworkRequest>,
    gossip: Gossip,
) {
    let mut deaf = Deaf::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !requests.is_closed() {
        ticks.tick().await;
        let found = async {
            match gossip {
                Gossip::Broadcast => deaf_by_subscription(&network).await,
                Gossip::Gossipsub => deaf_by_mesh(&requests).await,
            }
        };
        // Where the network has no time to answer it is asked again.
        let Ok(Some(found)) = tokio::time::timeout(ANSWER, found).await else {
            continue;
        };
        for peer in deaf.look(&found, Instant::now()) {
            warn!(%peer, "a peer is connected and does not hear this node: connecting anew");
            hang_up(&network, peer);
        }
    }
}

/// Closes all connections to a peer. Both sides open a new one within seconds.
fn hang_up(network: &NetworkRef<Althing>, peer: PeerId) {
    // The engine has no message for just that. It hangs up on a peer whose proof of being a validator is
    // bad, and does nothing else with that verdict; no node sends such proofs.
    let verdict = Msg::ValidatorProofVerified {
        peer_id: peer,
        result: ProofVerificationResult::Invalid,
        public_key: None,
    };
    // It is about to end where it takes no messages.
    let _ = network.cast(verdict);
}

/// Who is connected and has not said that it wants each of the [channels](Channel::consensus).
async fn deaf_by_subscription(network: &NetworkRef<Althing>) -> Option<BTreeSet<PeerId>> {
    let (done, told) = oneshot::channel();
    let told_so_far = ToldSoFar {
        told: RefCell::default(),
        done: RefCell::new(Some(done)),
    };
    network.cast(Msg::Subscribe(Box::new(told_so_far))).ok()?;
    Some(told.await.ok()?.deaf())
}

/// What the network says to who subscribes to its events: at first all that holds at that time. Nothing else
/// is asked for.
struct ToldSoFar {
    told: RefCell<Told>,
    done: RefCell<Option<oneshot::Sender<Told>>>,
}

impl Subscriber<NetworkEvent<Althing>> for ToldSoFar {
    fn send(&self, event: NetworkEvent<Althing>) {
        self.told.borrow_mut().take(&event);
    }
}

impl OutputPortSubscriberTrait<NetworkEvent<Althing>> for ToldSoFar {
    fn subscribe_to_port(&self, _: &OutputPort<NetworkEvent<Althing>>) {
        if let Some(done) = self.done.take() {
            let _ = done.send(self.told.take());
        }
    }
}

/// Who is connected, and what each has said that it wants.
#[derive(Debug, Default)]
struct Told {
    peers: BTreeSet<PeerId>,
    wanted: HashSet<(PeerId, Channel)>,
}

impl Told {
    fn take(&mut self, event: &NetworkEvent<Althing>) {
        match event {
            NetworkEvent::PeerConnected(peer) => drop(self.peers.insert(*peer)),
            NetworkEvent::PeerSubscribed(peer, channel) => {
                self.wanted.insert((*peer, *channel));
            }
            _ => {}
        }
    }

    fn deaf(self) -> BTreeSet<PeerId> {
        let Self { mut peers, wanted } = self;
        let wants_all =
            |peer: &PeerId| (Channel::consensus().iter()).all(|it| wanted.contains(&(*peer, *it)));
        peers.retain(|peer| !wants_all(peer));
        peers
    }
}

/// Who is connected and not among those that this node sends to directly, where these are few: gossip takes
/// as many as it can get up to a number. Where they are enough, they pass on what this node says.
async fn deaf_by_mesh(requests: &mpsc::Sender<NetworkRequest>) -> Option<BTreeSet<PeerId>> {
    let dump = NetworkRequest::dump_state(requests).await.ok()??;
    let peers = dump.peers.iter();
    let topics = peers.map(|(peer, info)| (PeerId::from_libp2p(peer), &info.topics));
    Some(not_in_mesh(&topics.collect()))
}

fn not_in_mesh(topics: &BTreeMap<PeerId, &HashSet<String>>) -> BTreeSet<PeerId> {
    let enough = GossipSubConfig::default().mesh_n_low;
    let names = ChannelNames::default();
    let mut missing = BTreeSet::new();
    for channel in Channel::consensus() {
        let name = channel.as_str(&names);
        let (inside, outside): (Vec<_>, Vec<_>) =
            (topics.iter()).partition(|(_, topics)| topics.contains(name));
        let wanted = enough.saturating_sub(inside.len());
        missing.extend(outside.into_iter().take(wanted).map(|(peer, _)| *peer));
    }
    missing
}

/// Since when peers have been deaf.
#[derive(Debug, Default)]
struct Deaf(BTreeMap<PeerId, Instant>);

impl Deaf {
    /// Takes who is deaf now; whom to hang up on. The next connection to each has as long again.
    fn look(&mut self, found: &BTreeSet<PeerId>, now: Instant) -> Vec<PeerId> {
        self.0.retain(|peer, _| found.contains(peer));
        for peer in found {
            self.0.entry(*peer).or_insert(now);
        }
        let is_over = |since: &Instant| now.duration_since(*since) >= PATIENCE;
        let over = self.0.iter().filter(|(_, since)| is_over(since));
        let over: Vec<PeerId> = over.map(|(peer, _)| *peer).collect();
        self.0.retain(|peer, _| !over.contains(peer));
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        let mut seed = [number; 32];
        let keypair = arc_malachitebft_network::Keypair::ed25519_from_bytes(&mut seed).unwrap();
        PeerId::from_libp2p(&keypair.public().to_peer_id())
    }

    fn found(numbers: &[u8]) -> BTreeSet<PeerId> {
        numbers.iter().map(|it| peer(*it)).collect()
    }

    #[test]
    fn a_peer_is_deaf_until_it_wants_every_channel() {
        let mut told = Told::default();
        told.take(&NetworkEvent::PeerConnected(peer(1)));
        told.take(&NetworkEvent::PeerConnected(peer(2)));
        told.take(&NetworkEvent::PeerConnected(peer(3)));
        for channel in Channel::all() {
            told.take(&NetworkEvent::PeerSubscribed(peer(1), *channel));
        }
        // The engine tells on every connection that it wants this one.
        told.take(&NetworkEvent::PeerSubscribed(peer(2), Channel::Sync));
        told.take(&NetworkEvent::PeerSubscribed(peer(3), Channel::Consensus));
        // One that is gone.
        told.take(&NetworkEvent::PeerSubscribed(peer(4), Channel::Sync));
        assert_eq!(told.deaf(), found(&[2, 3]));
    }

    #[test]
    fn gossip_needs_a_few_peers_and_not_all() {
        let all: HashSet<String> = ["/consensus", "/proposal_parts", "/liveness"]
            .map(str::to_owned)
            .into();
        let (some, none) = (HashSet::from(["/consensus".to_owned()]), HashSet::new());
        let cases = [
            (vec![&all, &all, &all], vec![]),
            (vec![&none, &none, &none], vec![1, 2, 3]),
            (vec![&all, &some, &all], vec![2]),
            (vec![&all, &all, &all, &all, &none, &none], vec![]),
            // As many as are missing.
            (vec![&none, &all, &all, &all, &none, &none], vec![0]),
        ];
        for (topics, expected) in cases {
            let numbered: Vec<(PeerId, &HashSet<String>)> = (1..).map(peer).zip(topics).collect();
            let missing = not_in_mesh(&numbered.iter().copied().collect());
            if expected == [0] {
                assert_eq!(missing.len(), 1);
            } else {
                assert_eq!(missing, found(&expected));
            }
        }
    }

    #[test]
    fn who_is_deaf_for_long_is_hung_up_on_and_has_as_long_again() {
        let start = Instant::now();
        let mut deaf = Deaf::default();
        // Seconds, who is deaf, whom to hang up on.
        let cases: [(u64, &[u8], &[u8]); 7] = [
            (0, &[1, 2], &[]),
            (8, &[1, 3], &[]),
            (10, &[1, 2, 3], &[1]),
            (12, &[1, 2, 3], &[]),
            (18, &[1, 2, 3], &[3]),
            (20, &[1, 2], &[2]),
            (22, &[1], &[1]),
        ];
        for (seconds, who, expected) in cases {
            let now = start + Duration::from_secs(seconds);
            let hung_up: BTreeSet<PeerId> = deaf.look(&found(who), now).into_iter().collect();
            assert_eq!(hung_up, found(expected), "after {seconds} s");
        }
    }
}
