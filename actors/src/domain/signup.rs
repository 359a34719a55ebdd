//! Sign-ups that compete for one phone: whose name and password stand once the phone is proven.

/// A sign-up that waits for its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The code that was sent for it.
    pub code: &'a str,
    /// The first of the sign-ups with the same password.
    pub password: &'a str,
    /// The keyed hash of where it came from.
    pub from: &'a str,
}

/// What comes of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No sign-up waits for this code: the phone is proven, and nothing else.
    Nothing,
    /// This claim stands.
    Take {
        /// Its place among the claims.
        place: usize,
        /// Whether there was another one, with another password.
        contested: bool,
    },
    /// Several people signed up and none of it is known to be the prover's: nothing of it stands.
    Refuse,
}

/// Decides whose claim stands, once somebody who is `from` somewhere has entered `code`. Claims are in the order of their
/// beginning.
///
/// A code proves the phone, not that its reader signed up: a stranger who signs up with somebody's number sends them a code
/// too. Where passwords differ, the code's claim stands only if it came from where the proof comes from; else the prover's own
/// claim, if there is one.
pub fn decide(claims: &[Claim<'_>], code: &str, from: &str) -> Decision {
    let Some(place) = claims.iter().position(|claim| claim.code == code) else { return Decision::Nothing };
    let Some(proven) = claims.get(place) else { return Decision::Nothing };
    let contested = claims.iter().any(|claim| claim.password != proven.password);
    if !contested || proven.from == from {
        return Decision::Take { place, contested };
    }
    match claims.iter().rposition(|claim| claim.from == from) {
        Some(place) => Decision::Take { place, contested },
        None => Decision::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWNER: Claim<'static> = Claim { code: "1", password: "1", from: "home" };
    const STRANGER: Claim<'static> = Claim { code: "2", password: "2", from: "elsewhere" };

    #[test]
    fn a_claim_alone_stands_wherever_the_proof_comes_from() {
        for from in ["home", "elsewhere"] {
            assert_eq!(decide(&[OWNER], "1", from), Decision::Take { place: 0, contested: false });
        }
        assert_eq!(decide(&[OWNER], "9", "home"), Decision::Nothing);
        assert_eq!(decide(&[], "1", "home"), Decision::Nothing);
    }

    #[test]
    fn the_owner_ends_with_what_they_chose_whichever_code_they_enter() {
        for claims in [[OWNER, STRANGER], [STRANGER, OWNER]] {
            for code in ["1", "2"] {
                let Decision::Take { place, contested: true } = decide(&claims, code, "home") else { panic!("{code}") };
                assert_eq!(claims[place], OWNER);
                assert_eq!(decide(&claims, code, "on the way"), Decision::Refuse);
            }
        }
    }

    #[test]
    fn of_two_from_one_place_the_last_to_prove_decides() {
        let second = Claim { from: "home", ..STRANGER };
        assert_eq!(decide(&[OWNER, second], "1", "home"), Decision::Take { place: 0, contested: true });
        assert_eq!(decide(&[OWNER, second], "2", "home"), Decision::Take { place: 1, contested: true });
    }

    proptest! {
        #[test]
        fn where_passwords_differ_nobody_gets_a_claim_from_elsewhere(
            made in prop::collection::vec((0..3usize, 0..3usize), 0..5),
            code in 0..5usize,
            from in 0..3usize,
        ) {
            let names = ["0", "1", "2", "3", "4"];
            let claims: Vec<_> = made
                .iter()
                .enumerate()
                .map(|(n, &(password, from))| Claim { code: names[n], password: names[password], from: names[from] })
                .collect();
            match decide(&claims, names[code], names[from]) {
                Decision::Take { place, contested: true } => prop_assert_eq!(claims[place].from, names[from]),
                Decision::Take { place, contested: false } => prop_assert_eq!(claims[place].code, names[code]),
                Decision::Refuse => prop_assert!(claims.iter().all(|claim| claim.from != names[from])),
                Decision::Nothing => prop_assert!(claims.iter().all(|claim| claim.code != names[code])),
            }
        }
    }
}
