use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ambient::Timestamp;
use parking_lot::Mutex;

use crate::throttle::Throttle;

/// Tries that an account has at once from one network, and how long until the next one.
const EACH_ACCOUNT: (u32, Duration) = (10, Duration::from_secs(30));
/// The same from all networks together in which its password was not known lately. More than one network alone has, so
/// that who guesses shuts out himself; and who guesses from many shuts out nobody who was in before.
const STRANGERS: (u32, Duration) = (100, Duration::from_secs(30));
/// The same for a network, behind which may be several people.
const EACH_NETWORK: (u32, Duration) = (30, Duration::from_secs(10));
/// Pairs of account and network that are remembered as known.
const KNOWN: usize = 10_000;

/// How often passwords may be tried.
#[derive(Debug)]
pub(crate) struct Logins {
    /// By account and network.
    pairs: Throttle,
    /// By account.
    strangers: Throttle,
    networks: Throttle,
    known: Mutex<Known>,
}

/// Who was in from where: the latest pairs of account and network.
#[derive(Debug, Default)]
struct Known {
    pairs: HashSet<String>,
    /// The same, oldest first.
    order: VecDeque<String>,
}

/// A password that is about to be tried.
#[derive(Debug)]
pub(super) struct Try {
    pair: String,
}

// === impl Logins ===

impl Logins {
    pub(crate) fn new() -> Self {
        Self {
            pairs: Throttle::new(EACH_ACCOUNT.0, EACH_ACCOUNT.1),
            strangers: Throttle::new(STRANGERS.0, STRANGERS.1),
            networks: Throttle::new(EACH_NETWORK.0, EACH_NETWORK.1),
            known: Mutex::default(),
        }
    }

    /// Takes a try; how long to wait if there is none.
    pub(super) fn take(&self, account: &str, remote: Option<IpAddr>, now: Timestamp) -> Result<Try, Duration> {
        let network = network(remote);
        self.networks.take(&network, now)?;
        let pair = pair(account, &network);
        self.pairs.take(&pair, now)?;
        if !self.known.lock().pairs.contains(&pair) {
            self.strangers.take(account, now)?;
        }
        Ok(Try { pair })
    }

    /// It was the right password: the tries come back, and the network is known from now on.
    pub(super) fn succeeded(&self, Try { pair }: Try) {
        self.pairs.forget(&pair);
        self.known.lock().add(pair);
    }

    /// Gives an account its tries back.
    pub(crate) fn forget(&self, account: &str) {
        self.strangers.forget(account);
        self.pairs.forget_all(&pair(account, ""));
    }
}

// === impl Known ===

impl Known {
    fn add(&mut self, pair: String) {
        if !self.pairs.insert(pair.clone()) {
            return;
        }
        self.order.push_back(pair);
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.pairs.remove(&oldest);
        }
    }
}

/// No name of an account holds a line break, so pairs of different accounts never begin alike.
fn pair(account: &str, network: &str) -> String {
    format!("{account}\n{network}")
}

/// What one household or machine has of addresses: all of IPv4's, the first half of IPv6's.
fn network(remote: Option<IpAddr>) -> String {
    match remote.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Some(IpAddr::V4(address)) => address.to_string(),
        None => "local".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    #[test]
    fn addresses_of_one_household_count_together() {
        let network = |text: &str| network(Some(from(text)));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::2"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.5"), network("10.0.0.5"));
        assert_ne!(network("10.0.0.5"), network("10.0.0.6"));
    }

    #[test]
    fn who_guesses_shuts_out_himself_and_not_the_owner() {
        let logins = Logins::new();
        for _ in 0..EACH_ACCOUNT.0 {
            logins.take("ann", Some(from("10.0.0.66")), NOW).unwrap();
        }
        assert!(logins.take("ann", Some(from("10.0.0.66")), NOW).is_err());
        let own = logins.take("ann", Some(from("10.0.0.7")), NOW).unwrap();
        logins.succeeded(own);
        for host in 100..200 {
            let _ = logins.take("ann", Some(from(&format!("10.0.1.{host}"))), NOW);
        }
        assert!(logins.take("ann", Some(from("10.0.2.1")), NOW).is_err(), "all strangers together");
        assert!(logins.take("ann", Some(from("10.0.0.7")), NOW).is_ok(), "who was in before is no stranger");
        assert!(logins.take("bob", Some(from("10.0.2.1")), NOW).is_ok(), "each account for itself");
        logins.forget("ann");
        assert!(
            logins.take("ann", Some(from("10.0.0.66")), NOW).is_ok()
                && logins.take("ann", Some(from("10.0.2.1")), NOW).is_ok()
        );
    }

    #[test]
    fn so_many_are_known_and_the_oldest_goes() {
        let mut known = Known::default();
        for n in 0..=KNOWN {
            known.add(pair("ann", &n.to_string()));
            known.add(pair("ann", &n.to_string()));
        }
        assert_eq!((known.pairs.len(), known.order.len()), (KNOWN, KNOWN));
        assert!(!known.pairs.contains(&pair("ann", "0")) && known.pairs.contains(&pair("ann", "1")));
    }
}
