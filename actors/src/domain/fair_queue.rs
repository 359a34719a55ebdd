//! Who is served next where many want what few can have at once.
//!
//! Whoever waits stands in the line of their network address; lines are served in turn, and within a line accounts are. So a
//! caller with any number of accounts and connections is one among the addresses: they add one to what others wait for, not
//! all that they ask for. Where no place is left, the longest line gives one up.

use std::collections::{HashMap, HashSet, VecDeque};

use super::client::Client;
use super::phone::Phone;

/// On whose behalf work is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// What address limits count by: an IPv4 address, or a /64.
    address: String,
    /// What at most one is in hand of at a time.
    account: String,
}

impl Requester {
    /// Work for the account of `phone`, whether or not there is one.
    pub fn account(phone: &Phone, client: &Client) -> Self {
        Self { address: client.limit_subject(), account: phone.to_string() }
    }

    /// Work for nobody who is known: their address stands for the account.
    pub fn address(client: &Client) -> Self {
        let address = client.limit_subject();
        Self { account: address.clone(), address }
    }
}

/// What became of somebody who wanted to wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered<T> {
    /// They wait.
    Waiting,
    /// They wait, in the place of this one, who was the last of the longest line.
    InPlaceOf(T),
    /// They do not: no place is left, and no line is much longer than theirs.
    Refused,
}

/// Somebody who is being served. Given back with [`FairQueue::done`].
#[derive(Debug)]
#[must_use = "what is in hand must be given back"]
pub struct InHand(Requester);

/// Who waits, and who is being served.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// How many are served at once.
    slots: usize,
    /// How many of one address are served at once: all but one, so that somebody else need not wait.
    share: usize,
    /// How many may wait.
    places: usize,
    /// One line for each address of which somebody waits, the next to be served first.
    lines: VecDeque<Line<T>>,
    waiting: usize,
    accounts: HashSet<String>,
    addresses: HashMap<String, usize>,
}

/// Those of one address who wait, in the order in which they are served.
#[derive(Debug)]
struct Line<T> {
    address: String,
    /// The round in which the last one was served. In a round every account is served once.
    round: u64,
    waiting: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    account: String,
    round: u64,
    item: T,
}

impl<T> FairQueue<T> {
    /// A queue that serves `slots` at once while `places` wait.
    pub fn new(slots: usize, places: usize) -> Self {
        Self {
            slots,
            share: slots.saturating_sub(1).max(1),
            places,
            lines: VecDeque::new(),
            waiting: 0,
            accounts: HashSet::new(),
            addresses: HashMap::new(),
        }
    }

    /// How many are being served.
    pub fn in_hand(&self) -> usize {
        self.accounts.len()
    }

    /// How many wait.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Lets `item` wait for `requester`. Whoever might be served at once waits too, until [`Self::take_next`] is called.
    pub fn offer(&mut self, requester: Requester, item: T) -> Offered<T> {
        let Requester { address, account } = requester;
        let mut given_up = None;
        // A place that is free at once needs nobody to give one up.
        if self.waiting >= self.places + self.slots.saturating_sub(self.in_hand()) {
            let own = self.lines.iter().find(|line| line.address == address).map_or(0, |line| line.waiting.len());
            let longest = self.lines.iter_mut().max_by_key(|line| line.waiting.len());
            match longest.filter(|line| line.waiting.len() > own + 1).and_then(|line| line.waiting.pop_back()) {
                Some(last) => given_up = Some(last.item),
                None => return Offered::Refused,
            }
            self.waiting -= 1;
        }
        let at = self.lines.iter().position(|line| line.address == address).unwrap_or_else(|| {
            self.lines.push_back(Line { address, round: 0, waiting: VecDeque::new() });
            self.lines.len() - 1
        });
        if let Some(line) = self.lines.get_mut(at) {
            line.push(account, item);
            self.waiting += 1;
        }
        given_up.map_or(Offered::Waiting, Offered::InPlaceOf)
    }

    /// Who is served now, if anybody can be.
    pub fn take_next(&mut self) -> Option<(InHand, T)> {
        if self.in_hand() >= self.slots {
            return None;
        }
        let (at, place) = self.lines.iter().enumerate().find_map(|(at, line)| {
            let served = self.addresses.get(&line.address).copied().unwrap_or_default();
            let place = || line.waiting.iter().position(|waiting| !self.accounts.contains(&waiting.account));
            (served < self.share).then(place).flatten().map(|place| (at, place))
        })?;
        let mut line = self.lines.remove(at)?;
        let Waiting { account, round, item } = line.waiting.remove(place)?;
        self.waiting -= 1;
        line.round = line.round.max(round);
        let address = line.address.clone();
        if !line.waiting.is_empty() {
            self.lines.push_back(line);
        }
        *self.addresses.entry(address.clone()).or_default() += 1;
        self.accounts.insert(account.clone());
        Some((InHand(Requester { address, account }), item))
    }

    /// Somebody was served.
    pub fn done(&mut self, served: InHand) {
        let InHand(Requester { address, account }) = served;
        self.accounts.remove(&account);
        if let Some(count) = self.addresses.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
    }

    /// Lets go of those who wait and are not worth it any more.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for line in &mut self.lines {
            line.waiting.retain(|waiting| keep(&waiting.item));
        }
        self.lines.retain(|line| !line.waiting.is_empty());
        self.waiting = self.lines.iter().map(|line| line.waiting.len()).sum();
    }
}

impl<T> Line<T> {
    fn push(&mut self, account: String, item: T) {
        let of_account = self.waiting.iter().filter(|waiting| waiting.account == account).map(|waiting| waiting.round);
        let round = of_account.max().unwrap_or(0).max(self.round) + 1;
        let at = self.waiting.partition_point(|waiting| waiting.round <= round);
        self.waiting.insert(at, Waiting { account, round, item });
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn requester(address: u8, account: u8) -> Requester {
        let ip = IpAddr::V4(Ipv4Addr::new(192, 0, 2, address));
        let client = Client { ip, ..Client::nobody() };
        Requester::account(&Phone::from_stored(format!("+9198765432{account:02}")), &client)
    }

    /// Who is served next, given back at once.
    fn served<T>(queue: &mut FairQueue<T>) -> Option<T> {
        let (in_hand, item) = queue.take_next()?;
        queue.done(in_hand);
        Some(item)
    }

    #[test]
    fn addresses_take_turns_and_accounts_behind_one_do_too() {
        let mut queue = FairQueue::new(1, 16);
        for (address, account, item) in
            [(1, 1, "a1"), (1, 1, "a2"), (1, 1, "a3"), (1, 2, "b1"), (2, 3, "c1"), (2, 3, "c2"), (3, 4, "d1")]
        {
            assert_eq!(queue.offer(requester(address, account), item), Offered::Waiting);
        }
        let order: Vec<_> = std::iter::from_fn(|| served(&mut queue)).collect();
        assert_eq!(order, ["a1", "c1", "d1", "b1", "c2", "a2", "a3"]);
        assert!(queue.lines.is_empty() && queue.addresses.is_empty() && queue.accounts.is_empty());
    }

    #[test]
    fn one_of_an_account_is_in_hand_and_one_slot_is_left_to_others() {
        let mut queue = FairQueue::new(3, 16);
        for (address, account) in [(1, 1), (2, 1), (1, 2), (1, 3)] {
            let _ = queue.offer(requester(address, account), (address, account));
        }
        let (first, item) = queue.take_next().unwrap();
        assert_eq!(item, (1, 1));
        let (second, item) = queue.take_next().unwrap();
        assert_eq!(item, (1, 2));
        // The second of an account waits, and so does a third of an address.
        assert!(queue.take_next().is_none());
        let _ = queue.offer(requester(3, 4), (3, 4));
        let (third, item) = queue.take_next().unwrap();
        assert_eq!(item, (3, 4));
        queue.done(first);
        let (fourth, item) = queue.take_next().unwrap();
        assert_eq!(item, (2, 1));
        for one in [second, third, fourth] {
            queue.done(one);
        }
        assert_eq!(served(&mut queue), Some((1, 3)));
    }

    #[test]
    fn the_longest_line_gives_up_its_last_place() {
        let mut queue = FairQueue::new(1, 3);
        let (_in_hand, _) = {
            let _ = queue.offer(requester(1, 0), "in hand");
            queue.take_next().unwrap()
        };
        for (account, item) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(queue.offer(requester(1, account), item), Offered::Waiting);
        }
        assert_eq!(queue.offer(requester(1, 4), "d"), Offered::Refused);
        assert_eq!(queue.offer(requester(2, 5), "e"), Offered::InPlaceOf("c"));
        assert_eq!(queue.offer(requester(2, 6), "f"), Offered::Refused);
        assert_eq!(queue.offer(requester(3, 7), "g"), Offered::InPlaceOf("b"));
        assert_eq!(queue.offer(requester(4, 8), "h"), Offered::Refused);
        queue.retain(|item| *item != "a");
        assert_eq!((queue.waiting(), queue.lines.len()), (2, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever others do: nothing is lost, memory is bounded, an account has one in hand, an address leaves a slot, nobody
        /// starves, and whose address had nothing there before waits for at most one of each other address.
        #[test]
        fn whatever_others_do_the_wait_is_bounded(
            slots in 1usize..5,
            places in 1usize..12,
            acts in prop::collection::vec((0u8..6, 0u8..12, any::<bool>()), 1..200),
        ) {
            let mut queue = FairQueue::new(slots, places);
            // Who is in hand: address and account. Who waits: address, who was served since, how many may be.
            let (mut in_hand, mut waiting) = (VecDeque::new(), HashMap::<usize, (u8, usize, Option<usize>)>::new());
            for (id, (address, account, finish)) in acts.into_iter().enumerate() {
                if finish {
                    if let Some((served, _, _)) = in_hand.pop_front() {
                        queue.done(served);
                    }
                } else {
                    let idle = |held: &VecDeque<(InHand, u8, u8)>| !held.iter().any(|(_, of, _)| *of == address);
                    let first = idle(&in_hand) && !waiting.values().any(|(of, ..)| *of == address);
                    let account = address * 12 + account;
                    let offered = queue.offer(requester(address, account), (id, account));
                    let bound = first.then(|| queue.lines.len() - 1);
                    if offered != Offered::Refused {
                        waiting.insert(id, (address, 0, bound));
                    }
                    if let Offered::InPlaceOf((other, _)) = offered {
                        prop_assert!(waiting.remove(&other).is_some_and(|(of, ..)| of != address));
                    }
                }
                while let Some((served, (id, account))) = queue.take_next() {
                    let (address, passed, bound) = waiting.remove(&id).unwrap();
                    prop_assert!(bound.is_none_or(|bound| passed <= bound), "{passed} of {bound:?}");
                    for (_, passed, _) in waiting.values_mut() {
                        *passed += 1;
                    }
                    in_hand.push_back((served, address, account));
                }
                let held = |address: u8| in_hand.iter().filter(|(_, of, _)| *of == address).count();
                prop_assert!((0..6).all(|address| held(address) <= slots.saturating_sub(1).max(1)));
                let accounts: HashSet<_> = in_hand.iter().map(|(_, _, account)| account).collect();
                prop_assert_eq!(accounts.len(), in_hand.len());
                prop_assert!(in_hand.len() <= slots && waiting.len() <= places + slots);
                prop_assert_eq!((queue.in_hand(), queue.waiting()), (in_hand.len(), waiting.len()));
                prop_assert!(queue.lines.len() <= waiting.len() && queue.addresses.len() <= in_hand.len());
            }
            while let Some((served, _, _)) = in_hand.pop_front() {
                queue.done(served);
                while let Some((served, (id, account))) = queue.take_next() {
                    waiting.remove(&id);
                    in_hand.push_back((served, 0, account));
                }
            }
            prop_assert!(waiting.is_empty());
        }

        /// A flood from one address, with any number of accounts, costs each other address at most one more wait.
        #[test]
        fn a_flood_adds_one_to_what_each_other_address_waits_for(
            flood in 1usize..40,
            others in prop::collection::vec(2u8..200, 1..8),
            after in 0usize..10,
        ) {
            let others: HashSet<u8> = others.into_iter().collect();
            let mut queue = FairQueue::new(1, 16);
            for account in 0..flood {
                let _ = queue.offer(requester(1, u8::try_from(account).unwrap()), None);
            }
            let mut busy = (0..after).find_map(|_| queue.take_next());
            for other in &others {
                prop_assert!(queue.offer(requester(*other, 99 - *other % 50), Some(*other)) != Offered::Refused);
            }
            if let Some((in_hand, _)) = busy.take() {
                queue.done(in_hand);
            }
            let (mut floods, mut seen) = (0, 0);
            while let Some(item) = served(&mut queue) {
                // The flood does not let up.
                let _ = queue.offer(requester(1, 98), None);
                match item {
                    None => floods += 1,
                    Some(_) => seen += 1,
                }
                if seen == others.len() {
                    break;
                }
            }
            prop_assert_eq!(seen, others.len());
            prop_assert!(floods <= 1, "{floods}");
        }
    }
}
