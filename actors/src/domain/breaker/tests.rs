//! The breaker's rules, one by one, and against attackers beside real people.

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    address_unanswered: 30,
    network_unanswered: 60,
    wide_network_unanswered: 300,
    min_sent: 200,
    min_entered_percent: 10,
};

fn history(funnels: &[(i64, u32, u32)]) -> History {
    let mut history = History::default();
    for (bucket, sent, entered) in funnels {
        history.add(*bucket, Funnel { sent: *sent, entered: *entered });
    }
    history
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn only_buckets_that_are_over_are_judged() {
    let now = at(1_000_000 * BUCKET_SECONDS + 10);
    // Codes of bucket 999 999 may have been issued up to 10 s ago; those of 999 998 are over.
    assert_eq!(settled(now, Duration::from_mins(5), Duration::from_hours(1)), 999_987..999_999);
    assert_eq!(window_start(now, Duration::from_hours(1)), 999_988);
}

#[test]
fn an_origin_earns_trust_by_entering_its_codes() {
    let judge = |address: &[(i64, u32, u32)]| {
        let origin = Origin { address: history(address), ..Origin::default() };
        RULES.refuse(Caller::Stranger, &origin, "+91987", &Pauses::default())
    };
    assert_eq!(judge(&[(1, 29, 0)]), None);
    assert_eq!(judge(&[(1, 30, 0)]), Some(Refusal { rule: Rule::Address, until: 1 }));
    assert_eq!(judge(&[(1, 1000, 486)]), None);
    assert_eq!(judge(&[(1, 1000, 485)]).map(|refusal| refusal.rule), Some(Rule::Address));
    // It ends when enough of the oldest unanswered codes leave the window, and not before.
    let refusal = judge(&[(1, 20, 0), (2, 15, 0), (3, 20, 0)]).unwrap();
    assert_eq!(refusal.until, 2);
    assert_eq!(refusal.ends_in(Duration::from_hours(1), at(3 * BUCKET_SECONDS)), Duration::from_hours(1));
}

#[test]
fn networks_around_an_address_are_judged_as_well() {
    let rule = |origin: &Origin, caller| {
        RULES.refuse(caller, origin, "+91987", &Pauses::default()).map(|refusal| refusal.rule)
    };
    let network = Origin { network: history(&[(1, 60, 0)]), ..Origin::default() };
    let wide = Origin { wide: history(&[(1, 300, 0)]), ..Origin::default() };
    assert_eq!(rule(&network, Caller::Stranger), Some(Rule::Network));
    assert_eq!(rule(&wide, Caller::Stranger), Some(Rule::WideNetwork));
    for caller in [Caller::KnownDevice, Caller::ExemptNetwork] {
        assert_eq!(rule(&network, caller), None);
    }
}

/// Codes that nobody entered: to each block so many, from each address of so many wide networks with so many addresses each.
fn unanswered(bucket: i64, blocks: &[&str], networks: u32, addresses: u32, each: u32) -> Settled {
    let mut funnels = HashMap::new();
    for (network, host) in (0..networks).flat_map(|network| (0..addresses).map(move |host| (network, host))) {
        for block in blocks {
            let (address, wide) = (format!("10.{network}.0.{host}"), format!("10.{network}.0.0/16"));
            funnels.insert(Path { block: (*block).to_owned(), address, wide }, Funnel { sent: each, entered: 0 });
        }
    }
    BTreeMap::from([(bucket, funnels)])
}

#[test]
fn a_block_is_paused_by_many_networks_and_not_by_one() {
    let none = HashMap::new();
    assert_eq!(RULES.pauses(&unanswered(1, &["+91987"], 1, 200, 100), &none), Pauses::default());
    assert_eq!(RULES.pauses(&unanswered(1, &["+91987"], 4, 200, 100), &none), Pauses::default());
    assert_eq!(RULES.pauses(&unanswered(1, &["+91987"], 30, 1, 1000), &none), Pauses::default());
    let paused = RULES.pauses(&unanswered(1, &["+91987"], 5, 8, 5), &none);
    assert_eq!(paused.blocks, HashMap::from([("+91987".to_owned(), 1)]));
    assert_eq!(paused.everything, None);
    let blocks = ["+91987", "+91988", "+91989", "+91990", "+91991"];
    assert_eq!(RULES.pauses(&unanswered(1, &blocks, 19, 100, 10), &none).everything, None);
    assert_eq!(RULES.pauses(&unanswered(1, &blocks, 20, 20, 1), &none).everything, Some(1));
}

#[test]
fn a_pause_is_not_for_callers_of_whom_good_is_known_and_can_be_lifted() {
    let settled = unanswered(7, &["+91987"], 20, 20, 10);
    let pauses = RULES.pauses(&settled, &HashMap::new());
    assert_eq!(pauses.everything, Some(7));
    let judge = |caller, origin: &Origin, block| RULES.refuse(caller, origin, block, &pauses).map(|one| one.rule);
    let nobody = Origin::default();
    assert_eq!(judge(Caller::Stranger, &nobody, "+91987"), Some(Rule::Block));
    assert_eq!(judge(Caller::Stranger, &nobody, "+91900"), Some(Rule::Everything));
    assert_eq!(judge(Caller::KnownDevice, &nobody, "+91987"), None);
    assert_eq!(judge(Caller::ExemptNetwork, &nobody, "+91987"), None);
    for good in [
        Origin { address: history(&[(1, 6, 3)]), ..Origin::default() },
        Origin { wide: history(&[(1, 100, 80)]), ..Origin::default() },
    ] {
        assert_eq!(judge(Caller::Stranger, &good, "+91987"), None);
    }
    let poor = Origin { address: history(&[(1, 7, 3)]), ..Origin::default() };
    assert_eq!(judge(Caller::Stranger, &poor, "+91987"), Some(Rule::Block));
    let resumed = RULES.pauses(&settled, &HashMap::from([("+91987".to_owned(), 8)]));
    assert_eq!((resumed.blocks.len(), resumed.everything), (0, Some(7)));
    assert_eq!(RULES.pauses(&settled, &HashMap::from([(EVERYTHING.to_owned(), 8)])), Pauses::default());
}

proptest! {
    #[test]
    fn more_entered_codes_never_refuse(sent in 0u32..2000, entered in 0u32..2000, more in 0u32..500) {
        let refused = |entered: u32| {
            let origin = Origin { address: history(&[(1, sent, entered.min(sent))]), ..Origin::default() };
            RULES.refuse(Caller::Stranger, &origin, "", &Pauses::default()).is_some()
        };
        prop_assert!(refused(entered) || !refused(entered.saturating_add(more)));
    }

    #[test]
    fn no_single_network_pauses_anything(each in 0u32..1_000_000, addresses in 1u32..100, blocks in 1usize..9) {
        let names = ["+91987", "+91988", "+91989", "+91990", "+91991", "+91992", "+91993", "+91994"];
        let settled = unanswered(1, names.get(..blocks.min(8)).unwrap(), 1, addresses, each);
        prop_assert_eq!(RULES.pauses(&settled, &HashMap::new()), Pauses::default());
    }
}

/// A world in which people and attackers ask for codes for two hours.
struct World {
    random: u64,
    addresses: HashMap<String, History>,
    funnels: Settled,
    pauses: Pauses,
}

/// Whence somebody asks: address, network, wide network.
type Place = [String; 3];

/// A code that was asked for.
struct Asked {
    at: i64,
    place: Place,
    block: String,
    /// When it is entered, for people; attackers enter none.
    entered_after: Option<i64>,
    is_real: bool,
}

impl World {
    fn new() -> Self {
        let (addresses, funnels, pauses) = (HashMap::new(), BTreeMap::new(), Pauses::default());
        Self { random: 0x9e37_79b9_7f4a_7c15, addresses, funnels, pauses }
    }

    /// The next number below `most` (xorshift: the same in every run).
    fn draw(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % most
    }

    fn place(&mut self, wide: &str) -> Place {
        let (network, host) = (self.draw(256), self.draw(256));
        [format!("{wide}.{network}.{host}"), format!("{wide}.{network}"), wide.to_owned()]
    }

    /// A thousand people over two hours: four of five behind 40 addresses of carriers, the others at home at 25 providers.
    fn people(&mut self) -> Vec<Asked> {
        let carriers: Vec<Place> = (0..40).map(|number| self.place(&format!("carrier{}", number % 4))).collect();
        (0..1000)
            .map(|_| {
                let provider = self.draw(25);
                let home = self.place(&format!("provider{provider}"));
                let carrier = self.draw(40);
                let mobile = carriers.get(usize::try_from(carrier).unwrap()).cloned().unwrap();
                let place = if self.draw(5) < 4 { mobile } else { home };
                let enters = (self.draw(100) < 90).then(|| 15 + i64::try_from(self.draw(75)).unwrap());
                let at = i64::try_from(self.draw(7200)).unwrap();
                Asked { at, place, block: self.block(), entered_after: enters, is_real: true }
            })
            .collect()
    }

    fn block(&mut self) -> String {
        format!("+9198{}", self.draw(50))
    }

    /// So many attackers, each with an address of its own, asking as often as the limit by address lets them: 300 an hour.
    fn attackers(&mut self, count: u64, one_block: bool) -> Vec<Asked> {
        let mut asked = Vec::new();
        for number in 0..count {
            let place = self.place(&format!("host{}", number % 60));
            for turn in 0..600 {
                let block = if one_block { "+91980".to_owned() } else { self.block() };
                let at = turn * 12 + i64::try_from(number % 12).unwrap();
                asked.push(Asked { at, place: place.clone(), block, entered_after: None, is_real: false });
            }
        }
        asked
    }

    fn origin(&self, place: &Place, now: i64) -> Origin {
        let start = window_start(at(now), Duration::from_hours(1));
        let [address, network, wide] = place.each_ref().map(|name| {
            let mut history = self.addresses.get(name).cloned().unwrap_or_default();
            history.forget_before(start);
            history
        });
        Origin { address, network, wide }
    }

    fn count(&mut self, asked: &Asked, funnel: Funnel) {
        let bucket = bucket(at(asked.at));
        for name in &asked.place {
            self.addresses.entry(name.clone()).or_default().add(bucket, funnel);
        }
        let [address, _, wide] = asked.place.clone();
        let path = Path { block: asked.block.clone(), address, wide };
        let sum = self.funnels.entry(bucket).or_default().entry(path).or_default();
        *sum = sum.and(funnel);
    }

    /// Plays it. Answers how many codes of real people were refused, and how many SMS the attackers had sent.
    fn play(&mut self, mut asked: Vec<Asked>) -> (u32, u32) {
        asked.sort_by_key(|one| one.at);
        let (mut refused, mut wasted) = (0, 0);
        let mut to_enter: BTreeMap<(i64, usize), usize> = BTreeMap::new();
        let mut judged = 0;
        for (index, one) in asked.iter().enumerate() {
            let due: Vec<usize> = to_enter.range(..(one.at, 0)).map(|(_, index)| *index).collect();
            to_enter = to_enter.split_off(&(one.at, 0));
            for index in due {
                self.count(&asked[index], Funnel { sent: 0, entered: 1 });
            }
            if one.at >= judged {
                judged = one.at + 10;
                let range = settled(at(one.at), Duration::from_mins(5), Duration::from_hours(1));
                let over = self.funnels.range(range).map(|(bucket, funnels)| (*bucket, funnels.clone())).collect();
                self.pauses = RULES.pauses(&over, &HashMap::new());
            }
            let origin = self.origin(&one.place, one.at);
            match RULES.refuse(Caller::Stranger, &origin, &one.block, &self.pauses) {
                Some(_) if one.is_real => refused += 1,
                Some(_) => {}
                None => {
                    self.count(one, Funnel { sent: 1, entered: 0 });
                    wasted += u32::from(!one.is_real);
                    if let Some(after) = one.entered_after {
                        to_enter.insert((one.at + after, index), index);
                    }
                }
            }
        }
        (refused, wasted)
    }
}

/// The figures of this test stand in ADR 0030.
#[test]
fn attackers_waste_little_and_stop_nobody_else() {
    for (attackers, most_refused, most_wasted) in [(0, 0, 0), (1, 0, 60), (10, 10, 600), (100, 20, 6000)] {
        for one_block in [true, false] {
            let mut world = World::new();
            let mut asked = world.people();
            asked.extend(world.attackers(attackers, one_block));
            let (refused, wasted) = world.play(asked);
            let target = if one_block { "one block" } else { "all blocks" };
            println!("{attackers} attackers on {target}: {refused} of 1000 real codes refused, {wasted} SMS wasted");
            assert!(refused <= most_refused, "{attackers} on {target}: {refused} real codes refused");
            assert!(wasted <= most_wasted, "{attackers} on {target}: {wasted} SMS wasted");
        }
    }
}
