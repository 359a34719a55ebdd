//! The one rule that decides how a login goes on: with a session, with another step, or with setting up a second factor.

use std::collections::BTreeSet;

use super::role::Role;

/// Something a person has shown during one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proof {
    /// The one-time code by SMS that a login began with.
    Otp,
    /// The password.
    Password,
    /// A code of the authenticator app.
    Totp,
    /// A code by SMS, asked for as the second factor.
    SmsCode,
    /// A backup code.
    BackupCode,
}

/// What a proof shows that somebody knows or has. Two proofs of one kind are no more than one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Knowledge,
    Phone,
    Authenticator,
    Paper,
}

impl Proof {
    /// Every proof.
    pub const ALL: [Self; 5] = [Self::Otp, Self::Password, Self::Totp, Self::SmsCode, Self::BackupCode];

    /// The proof as it is named in answers, in requests and in the state of a login.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Password => "password",
            Self::Totp => "totp",
            Self::SmsCode => "sms",
            Self::BackupCode => "backup_code",
        }
    }

    /// The proof with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == name)
    }

    /// Its names in `amr`. RFC 8176 has none for a look-up secret; it is a password that is good once.
    const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Otp | Self::SmsCode => &["otp", "sms"],
            Self::Password => &["pwd"],
            Self::Totp | Self::BackupCode => &["otp"],
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Otp | Self::SmsCode => Kind::Phone,
            Self::Password => Kind::Knowledge,
            Self::Totp => Kind::Authenticator,
            Self::BackupCode => Kind::Paper,
        }
    }
}

/// A second factor that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// An authenticator app.
    Totp,
    /// Codes by SMS.
    Sms,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 2] = [Self::Totp, Self::Sms];

    /// The method as it is written in JSON and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Sms => "sms",
        }
    }

    /// The method with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// What can be shown when this factor is asked for.
    const fn proofs(self) -> [Proof; 2] {
        match self {
            Self::Totp => [Proof::Totp, Proof::BackupCode],
            Self::Sms => [Proof::SmsCode, Proof::BackupCode],
        }
    }
}

/// What matters of the account that somebody is logging in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its role.
    pub role: Role,
    /// Whether a password is set.
    pub has_password: bool,
    /// Its second factor; `None` as long as none was confirmed.
    pub two_factor: Option<Method>,
}

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether second factors are in use. Enforced roles have theirs all the same.
    pub enabled: bool,
    /// The roles that must have one.
    pub enforced_roles: Vec<Role>,
}

impl Rules {
    fn enforces(&self, role: Role) -> bool {
        self.enforced_roles.contains(&role)
    }
}

/// How a login goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Enough was shown.
    Session {
        /// How, by the names of RFC 8176, sorted.
        amr: Vec<&'static str>,
    },
    /// One of these must be shown.
    Step {
        /// The names of the proofs.
        methods: Vec<&'static str>,
    },
    /// Enough was shown to set up the second factor that this role must have, and for nothing else.
    Enrol,
}

/// Decides how a login goes on in which so much was `proven`.
pub fn next(rules: &Rules, account: Account, proven: &[Proof]) -> Next {
    let has = |proof| proven.contains(&proof);
    // A code alone never lets an officer in, and a second factor alone lets nobody in.
    let has_first = has(Proof::Password) || (has(Proof::Otp) && !account.role.needs_password());
    if !has_first {
        return step(&[Proof::Password]);
    }
    let enforced = rules.enforces(account.role);
    match in_force(rules, account) {
        None if enforced && account.two_factor.is_none() => Next::Enrol,
        Some(method) => ask(method, account, proven),
        None => Next::Session { amr: amr(proven) },
    }
}

/// Whether a session that was opened with `amr` may go on in this role, which may be another one than when it was opened:
/// nobody becomes an officer on the strength of a code.
pub fn suffices(rules: &Rules, role: Role, amr: &[String]) -> bool {
    let has = |name: &str| amr.iter().any(|known| known == name);
    !role.needs_password() || (has("pwd") && (!rules.enforces(role) || has("mfa")))
}

/// Whether somebody of this role may turn their second factor off.
pub fn can_disable(rules: &Rules, role: Role) -> bool {
    !rules.enforces(role)
}

/// The second factor that is in force: set up, and asked for at a login.
pub fn in_force(rules: &Rules, account: Account) -> Option<Method> {
    account.two_factor.filter(|_| rules.enabled || rules.enforces(account.role))
}

/// Whether a login has shown the second factor of this method, or a backup code in its place.
pub fn shows_factor(method: Method, proven: &[Proof]) -> bool {
    let has = |proof| proven.contains(&proof);
    has(Proof::BackupCode)
        || match method {
            Method::Totp => has(Proof::Totp),
            Method::Sms => has(Proof::Otp) || has(Proof::SmsCode),
        }
}

/// What changes the proofs behind a session that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another password.
    Password,
    /// A second factor was set up, with a code of it.
    FactorSetUp(Method),
    /// The second factor was turned off.
    FactorGone,
}

/// The `amr` of a session after a change.
pub fn amr_after(change: Change, amr: &[String]) -> Vec<String> {
    let mut names: BTreeSet<&str> = amr.iter().map(String::as_str).collect();
    match change {
        Change::Password => {}
        Change::FactorGone => {
            names.remove("mfa");
        }
        Change::FactorSetUp(method) => {
            let shown = [("pwd", Kind::Knowledge), ("sms", Kind::Phone)];
            let mut kinds: BTreeSet<Kind> =
                shown.into_iter().filter(|(name, _)| names.contains(name)).map(|(_, kind)| kind).collect();
            let [proof, _] = method.proofs();
            kinds.insert(proof.kind());
            names.extend(proof.amr());
            if kinds.len() > 1 {
                names.insert("mfa");
            }
        }
    }
    names.into_iter().map(str::to_owned).collect()
}

/// Goes on only with the second factor.
fn ask(method: Method, account: Account, proven: &[Proof]) -> Next {
    let has = |proof| proven.contains(&proof);
    let has_factor = shows_factor(method, proven);
    // A second code to a phone that was shown already shows nothing new: where there is a password, it is asked for.
    let lacks_password = method == Method::Sms && account.has_password && !has(Proof::Password);
    if has(Proof::BackupCode) || (has_factor && !lacks_password) {
        return Next::Session { amr: amr(proven) };
    }
    if has_factor { step(&[Proof::Password]) } else { step(&method.proofs()) }
}

fn step(proofs: &[Proof]) -> Next {
    Next::Step { methods: proofs.iter().map(|proof| proof.as_str()).collect() }
}

/// The `amr` of a session that was opened with `proven`.
fn amr(proven: &[Proof]) -> Vec<&'static str> {
    let mut names: BTreeSet<_> = proven.iter().flat_map(|proof| proof.amr()).copied().collect();
    let kinds: BTreeSet<_> = proven.iter().map(|proof| proof.kind()).collect();
    if kinds.len() > 1 {
        names.insert("mfa");
    }
    names.into_iter().collect()
}

/// Whether a code sent to the phone may be all it takes to set a new password. Not where the second factor is a code to the
/// same phone, nor for a role that enters with a password, unless an authenticator app is asked for afterwards: else the phone
/// alone would let a thief in.
pub fn phone_may_reset(account: Account) -> bool {
    match account.two_factor {
        Some(Method::Totp) => true,
        Some(Method::Sms) => false,
        None => !account.role.needs_password(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn accounts() -> Vec<Account> {
        let mut all = Vec::new();
        for role in Role::ALL {
            for has_password in [false, true] {
                for two_factor in [None, Some(Method::Totp), Some(Method::Sms)] {
                    all.push(Account { role, has_password, two_factor });
                }
            }
        }
        all
    }

    fn subsets() -> impl Iterator<Item = Vec<Proof>> {
        (0u32..1 << Proof::ALL.len()).map(|bits| {
            Proof::ALL.into_iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, p)| p).collect()
        })
    }

    fn rules() -> Vec<Rules> {
        let roles = [vec![], vec![Role::Admin], vec![Role::Citizen, Role::Auditor], Role::ALL.to_vec()];
        let both = roles.into_iter().flat_map(|enforced_roles| {
            [true, false].map(|enabled| Rules { enabled, enforced_roles: enforced_roles.clone() })
        });
        both.collect()
    }

    /// Every case there is.
    fn every(check: impl Fn(&Rules, Account, &[Proof])) {
        for rules in rules() {
            for account in accounts() {
                for proven in subsets() {
                    check(&rules, account, &proven);
                }
            }
        }
    }

    fn with(proven: &[Proof], more: Proof) -> Vec<Proof> {
        proven.iter().copied().chain([more]).collect()
    }

    #[test]
    fn nobody_enters_without_what_they_must_show() {
        every(|rules, account, proven| {
            let has = |proof| proven.contains(&proof);
            let case = || format!("{rules:?} {account:?} {proven:?}");
            if !matches!(next(rules, account, proven), Next::Step { .. }) {
                assert!(has(Proof::Password) || has(Proof::Otp), "no first factor: {}", case());
                assert!(has(Proof::Password) || !account.role.needs_password(), "an officer by code: {}", case());
            }
            if matches!(next(rules, account, proven), Next::Session { .. }) {
                let enforced = rules.enforced_roles.contains(&account.role);
                assert!(!enforced || account.two_factor.is_some(), "enforced, none there: {}", case());
                let asked = enforced || rules.enabled;
                let shown = match account.two_factor {
                    None => true,
                    Some(Method::Totp) => has(Proof::Totp) || has(Proof::BackupCode),
                    Some(Method::Sms) => has(Proof::SmsCode) || has(Proof::BackupCode) || has(Proof::Otp),
                };
                assert!(!asked || shown, "the second factor is missing: {}", case());
                if asked && account.two_factor.is_some() && account.has_password {
                    let kinds: BTreeSet<_> = proven.iter().map(|proof| proof.kind()).collect();
                    assert!(kinds.len() > 1, "one kind alone: {}", case());
                }
            }
        });
    }

    #[test]
    fn a_session_goes_on_in_its_role_and_not_in_one_that_asks_for_more() {
        every(|rules, account, proven| {
            let Next::Session { amr } = next(rules, account, proven) else { return };
            let amr: Vec<String> = amr.into_iter().map(str::to_owned).collect();
            for role in Role::ALL {
                let enough = !role.needs_password()
                    || (proven.contains(&Proof::Password)
                        && (!rules.enforces(role) || amr.contains(&"mfa".to_owned())));
                assert_eq!(suffices(rules, role, &amr), enough, "{role:?} {proven:?}");
            }
            assert!(suffices(rules, account.role, &amr), "{rules:?} {account:?} {proven:?}");
        });
    }

    #[test]
    fn the_phone_alone_is_not_enough_where_there_is_a_password() {
        let rules = Rules { enabled: true, enforced_roles: Vec::new() };
        let account = Account { role: Role::Citizen, has_password: true, two_factor: Some(Method::Sms) };
        for proven in [vec![Proof::Otp], vec![Proof::Otp, Proof::SmsCode]] {
            assert_eq!(next(&rules, account, &proven), Next::Step { methods: vec!["password"] });
        }
    }

    #[test]
    fn nobody_is_asked_in_vain() {
        every(|rules, account, proven| {
            let enforced = rules.enforced_roles.contains(&account.role);
            if let Next::Step { methods } = next(rules, account, proven) {
                let second = methods != ["password"];
                assert!(
                    !second || ((enforced || rules.enabled) && account.two_factor.is_some()),
                    "{account:?} {proven:?}"
                );
                let first = proven.contains(&Proof::Otp) && !account.role.needs_password();
                let dead_end = methods == ["password"] && !account.has_password && first;
                assert!(!dead_end, "{account:?} {proven:?}");
            }
            assert!(enforced || next(rules, account, proven) != Next::Enrol);
        });
    }

    #[test]
    fn more_proofs_never_lead_back() {
        let rank = |next: &Next| i32::from(!matches!(next, Next::Step { .. }));
        every(|rules, account, proven| {
            let before = next(rules, account, proven);
            for more in Proof::ALL {
                let after = next(rules, account, &with(proven, more));
                assert!(rank(&after) >= rank(&before), "{account:?} {proven:?} {more:?}");
                if let (Next::Session { amr: before }, Next::Session { amr: after }) = (&before, &after) {
                    assert!(before.iter().all(|name| after.contains(name)));
                }
                if before == Next::Enrol {
                    assert_eq!(after, Next::Enrol, "{account:?} {proven:?} {more:?}");
                }
            }
        });
    }

    #[test]
    fn what_is_asked_leads_on() {
        every(|rules, account, proven| {
            let before = next(rules, account, proven);
            if let Next::Step { methods } = &before {
                assert!(!methods.is_empty());
                for method in methods {
                    let proof = Proof::parse(method).unwrap();
                    assert!(!proven.contains(&proof), "asked again: {account:?} {proven:?}");
                    let once = next(rules, account, &with(proven, proof));
                    assert_ne!(before, once, "{account:?} {proven:?}");
                    if let Next::Step { methods } = once {
                        let proofs = with(proven, proof);
                        let last = next(rules, account, &with(&proofs, Proof::parse(methods[0]).unwrap()));
                        assert!(!matches!(last, Next::Step { .. }), "a third step: {account:?} {proven:?}");
                    }
                }
            }
        });
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        every(|rules, account, proven| {
            let twice: Vec<_> = proven.iter().rev().chain(proven).copied().collect();
            assert_eq!(next(rules, account, proven), next(rules, account, &twice));
        });
    }

    #[test]
    fn only_who_need_not_have_one_may_turn_it_off() {
        for rules in rules() {
            for role in Role::ALL {
                assert_eq!(can_disable(&rules, role), !rules.enforced_roles.contains(&role));
            }
        }
    }

    #[test]
    fn names_round_trip() {
        assert!(Proof::ALL.into_iter().all(|proof| Proof::parse(proof.as_str()) == Some(proof)));
        assert!(Method::ALL.into_iter().all(|method| Method::parse(method.as_str()) == Some(method)));
        assert_eq!((Proof::parse("pwd"), Method::parse("backup_code")), (None, None));
    }

    /// Follows a login from its first proof along everything that is asked, one line for each way.
    fn ways(rules: &Rules, account: Account, proven: &[Proof], table: &mut String) {
        let way = proven.iter().map(|proof| proof.as_str()).collect::<Vec<_>>().join(" + ");
        match next(rules, account, proven) {
            Next::Session { amr } => writeln!(table, "    {way} = session [{}]", amr.join(" ")).unwrap(),
            Next::Enrol => writeln!(table, "    {way} = enrol").unwrap(),
            Next::Step { methods } => {
                for method in methods {
                    ways(rules, account, &with(proven, Proof::parse(method).unwrap()), table);
                }
            }
        }
    }

    #[test]
    fn the_ways_in() {
        let rules = Rules { enabled: true, enforced_roles: vec![Role::Admin] };
        let mut table = String::new();
        for account in accounts() {
            let Account { role, has_password, two_factor } = account;
            let is_shown = match role {
                Role::Citizen => true,
                Role::NodalOfficer | Role::Admin => has_password,
                _ => false,
            };
            if !is_shown {
                continue;
            }
            let password = if has_password { "with a password" } else { "without a password" };
            let factor = two_factor.map_or("no second factor", Method::as_str);
            writeln!(table, "{} {password}, {factor}", role.as_str()).unwrap();
            ways(&rules, account, &[Proof::Otp], &mut table);
            if has_password {
                ways(&rules, account, &[Proof::Password], &mut table);
            }
        }
        insta::assert_snapshot!(table, @r"
        citizen without a password, no second factor
            otp = session [otp sms]
        citizen without a password, totp
            otp + totp = session [mfa otp sms]
            otp + backup_code = session [mfa otp sms]
        citizen without a password, sms
            otp = session [otp sms]
        citizen with a password, no second factor
            otp = session [otp sms]
            password = session [pwd]
        citizen with a password, totp
            otp + totp = session [mfa otp sms]
            otp + backup_code = session [mfa otp sms]
            password + totp = session [mfa otp pwd]
            password + backup_code = session [mfa otp pwd]
        citizen with a password, sms
            otp + password = session [mfa otp pwd sms]
            password + sms = session [mfa otp pwd sms]
            password + backup_code = session [mfa otp pwd]
        nodal_officer with a password, no second factor
            otp + password = session [mfa otp pwd sms]
            password = session [pwd]
        nodal_officer with a password, totp
            otp + password + totp = session [mfa otp pwd sms]
            otp + password + backup_code = session [mfa otp pwd sms]
            password + totp = session [mfa otp pwd]
            password + backup_code = session [mfa otp pwd]
        nodal_officer with a password, sms
            otp + password = session [mfa otp pwd sms]
            password + sms = session [mfa otp pwd sms]
            password + backup_code = session [mfa otp pwd]
        admin with a password, no second factor
            otp + password = enrol
            password = enrol
        admin with a password, totp
            otp + password + totp = session [mfa otp pwd sms]
            otp + password + backup_code = session [mfa otp pwd sms]
            password + totp = session [mfa otp pwd]
            password + backup_code = session [mfa otp pwd]
        admin with a password, sms
            otp + password = session [mfa otp pwd sms]
            password + sms = session [mfa otp pwd sms]
            password + backup_code = session [mfa otp pwd]
        ");
    }

    #[test]
    fn one_thing_alone_lets_nobody_in_by_a_reset_who_needs_two() {
        for role in Role::ALL {
            for two_factor in [None, Some(Method::Sms), Some(Method::Totp)] {
                let account = Account { role, has_password: true, two_factor };
                let rules = Rules { enabled: true, enforced_roles: Vec::new() };
                // Who reset the password with a thing knows it, and shows that thing again.
                let in_by = |ways: &[&[Proof]]| {
                    ways.iter().any(|proven| matches!(next(&rules, account, proven), Next::Session { .. }))
                };
                let needs_two = role.needs_password() || two_factor.is_some();
                let in_by_phone = in_by(&[&[Proof::Password], &[Proof::Password, Proof::SmsCode]]);
                assert!(!needs_two || !phone_may_reset(account) || !in_by_phone, "{account:?}");
            }
        }
    }

    #[test]
    fn a_factor_is_in_force_exactly_where_a_login_asks_for_it() {
        every(|rules, account, _| {
            let enforced = rules.enforced_roles.contains(&account.role);
            let expected = if rules.enabled || enforced { account.two_factor } else { None };
            assert_eq!(in_force(rules, account), expected);
        });
    }

    #[test]
    fn who_is_in_with_a_factor_in_force_has_shown_it() {
        every(|rules, account, proven| {
            if let (Next::Session { .. }, Some(method)) = (next(rules, account, proven), in_force(rules, account)) {
                assert!(shows_factor(method, proven), "{rules:?} {account:?} {proven:?}");
            }
        });
    }

    #[test]
    fn a_session_says_two_factors_as_long_as_there_are_two() {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (amr, change, after) in [
            (&["pwd"][..], Change::FactorSetUp(Method::Totp), &["mfa", "otp", "pwd"][..]),
            (&["pwd"], Change::FactorSetUp(Method::Sms), &["mfa", "otp", "pwd", "sms"]),
            (&["otp", "sms"], Change::FactorSetUp(Method::Totp), &["mfa", "otp", "sms"]),
            (&["otp", "sms"], Change::FactorSetUp(Method::Sms), &["otp", "sms"]),
            (&["mfa", "otp", "pwd"], Change::FactorGone, &["otp", "pwd"]),
            (&["pwd"], Change::FactorGone, &["pwd"]),
            (&["mfa", "otp", "pwd"], Change::Password, &["mfa", "otp", "pwd"]),
        ] {
            assert_eq!(amr_after(change, &texts(amr)), texts(after), "{amr:?} {change:?}");
        }
    }
}
