//! What a person would call the device that a `User-Agent` comes from: "Chrome on Android". A help to recognise one's
//! own sessions, and no proof of anything: a client writes what it likes there.

use super::contact::is_letter_digit_or_mark;

/// How much of the header is looked at, in bytes.
const LOOKED_AT: usize = 512;

/// What programs call themselves. A browser also names those it wants to be taken for, so the more particular come first.
const PROGRAMS: [(&str, &str); 20] = [
    ("CivicLens/", "CivicLens app"),
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("Opera Mini/", "Opera Mini"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("UCBrowser/", "UC Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("PostmanRuntime/", "Postman"),
    ("python-requests/", "Python"),
];

/// What they run on, the more particular first: Android is also a Linux, and an iPhone is "like Mac OS X".
const SYSTEMS: [(&str, &str); 8] = [
    ("KAIOS", "KaiOS"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
];

/// Names the device of a `User-Agent`, in words of our own only. Returns `None` when nothing in it is known.
pub fn device_name(user_agent: &str) -> Option<String> {
    let looked_at = user_agent.get(..user_agent.floor_char_boundary(LOOKED_AT))?;
    let find =
        |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| looked_at.contains(mark)).map(|(_, name)| *name);
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => Some(format!("{program} on {system}")),
        (known, None) | (None, known) => known.map(str::to_owned),
    }
}

/// The longest name of a device that is shown, in characters.
const LONGEST_LABEL: usize = 64;

/// The name that a client gives its device, as its owner may be shown it: letters, digits and the few marks that names of
/// devices have, on one line. Whoever signs in chooses it, and it stands in a letter to somebody else, so nothing in it is an
/// address, nor what programs make a link of. Returns `None` if nothing is left.
pub fn device_label(name: &str) -> Option<String> {
    let characters: Vec<char> = name.get(..name.floor_char_boundary(LOOKED_AT))?.chars().collect();
    let is_digit = |beside: Option<&char>| beside.is_some_and(char::is_ascii_digit);
    let shown = characters.iter().enumerate().map(|(place, &character)| {
        let before = place.checked_sub(1).and_then(|place| characters.get(place));
        let after = characters.get(place + 1);
        let fits = match character {
            '-' | '_' | '\'' | '\u{2019}' | '(' | ')' | ',' => true,
            // A version has dots, "Galaxy S23+" a plus; a domain and a number to call have them elsewhere.
            '.' => is_digit(before) && is_digit(after),
            '+' => before.is_some_and(|before| before.is_alphanumeric()) && !is_digit(after),
            _ => is_letter_digit_or_mark(character),
        };
        if fits { character } else { ' ' }
    });
    let line: String = shown.collect();
    // Four numbers with dots between them are an address.
    let words = line.split_whitespace().map(|word| match word.matches('.').count() {
        0..=2 => word.to_owned(),
        _ => word.replace('.', " "),
    });
    let label: String = words.collect::<Vec<_>>().join(" ").chars().take(LONGEST_LABEL).collect();
    let label = label.trim_end_matches([' ', '.']);
    label.chars().any(char::is_alphanumeric).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CASES: [(&str, Option<&str>); 25] = [
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
            Some("Chrome on Android"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
            Some("Chrome on Windows"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 \
             Edg/140.0.0.0",
            Some("Edge on Windows"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; Pixel 3 XL) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.7339.51 Mobile \
             Safari/537.36 EdgA/140.0.3485.54",
            Some("Edge on Android"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 \
             EdgiOS/140.0.3485.54 Mobile/15E148 Safari/605.1.15",
            Some("Edge on iPhone"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 \
             Mobile/15E148 Safari/604.1",
            Some("Safari on iPhone"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             CriOS/141.0.7390.26 Mobile/15E148 Safari/604.1",
            Some("Chrome on iPhone"),
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/143.0 \
             Mobile/15E148 Safari/605.1.15",
            Some("Firefox on iPad"),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 \
             Safari/605.1.15",
            Some("Safari on Mac"),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
             Safari/537.36",
            Some("Chrome on Mac"),
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", Some("Firefox on Linux")),
        ("Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", Some("Firefox on Android")),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
            Some("Chrome on ChromeOS"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 \
             Chrome/130.0.0.0 Mobile Safari/537.36",
            Some("Samsung Internet on Android"),
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 12; en-US; RMX3085) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
             Chrome/100.0.4896.58 UCBrowser/13.7.2.1636 Mobile Safari/537.36",
            Some("UC Browser on Android"),
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 13; en-in; Redmi Note 12) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
             Chrome/112.0.5615.136 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.5.0-gn",
            Some("Mi Browser on Android"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 \
             OPR/122.0.0.0",
            Some("Opera on Windows"),
        ),
        (
            "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
            Some("Opera Mini on Android"),
        ),
        (
            "Mozilla/5.0 (Mobile; LYF/F90M/LYF-F90M-000-02-31-121219; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
            Some("Firefox on KaiOS"),
        ),
        ("CivicLens/2.3.0 (Android 14; Pixel 8)", Some("CivicLens app on Android")),
        ("CivicLens/2.3.0 (iPhone; iOS 18.6; Scale/3.00)", Some("CivicLens app on iPhone")),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A.240805.005)", Some("Android")),
        ("curl/8.5.0", Some("curl")),
        ("PostmanRuntime/7.43.0", Some("Postman")),
        ("reports-service", None),
    ];

    #[test]
    fn devices_are_called_what_people_call_them() {
        for (user_agent, name) in CASES {
            assert_eq!(device_name(user_agent).as_deref(), name, "{user_agent}");
        }
        assert_eq!(device_name(""), None);
    }

    #[test]
    fn a_label_names_a_device_and_nothing_else() {
        for (given, shown) in [
            ("Samsung Galaxy S23 Ultra", "Samsung Galaxy S23 Ultra"),
            ("Ravi\u{2019}s iPhone 15 Pro (work)", "Ravi\u{2019}s iPhone 15 Pro (work)"),
            ("Galaxy S23+", "Galaxy S23+"),
            ("iPad, iOS 18.6.1", "iPad, iOS 18.6.1"),
            ("आशा का फ़ोन", "आशा का फ़ोन"),
            ("  My\u{7} phone\r\nDevice: ", "My phone Device"),
            ("https://evil.example/login?x=1", "https evil example login x 1"),
            ("evil.example", "evil example"),
            ("evil\u{3002}example", "evil example"),
            ("evil\u{FF0E}example", "evil example"),
            ("a@evil.example", "a evil example"),
            ("192.0.2.1", "192 0 2 1"),
            ("1.2.example", "1.2 example"),
            ("call +919876543210", "call 919876543210"),
            ("<a href=x>y</a>", "a href x y a"),
            ("as\u{202E}ha\u{200B}b", "as ha b"),
        ] {
            assert_eq!(device_label(given).as_deref(), Some(shown), "{given:?}");
        }
        for nothing in ["", " ", "://", "\u{200B}", "\u{3164}", "()", "..."] {
            assert_eq!(device_label(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn only_the_beginning_counts() {
        assert_eq!(device_name(&format!("{}curl/8", "é".repeat(LOOKED_AT))), None);
    }

    proptest! {
        #[test]
        fn a_label_is_short_and_no_address(name in "(https?://)?[\\PC.:/@0-9]{0,80}(\\.com|/)?") {
            if let Some(label) = device_label(&name) {
                prop_assert!(label.chars().count() <= LONGEST_LABEL);
                prop_assert!(!label.contains(['/', ':', '@', '<', '&', '\n', '%', '\\']));
                for (at, _) in label.match_indices('.') {
                    let (before, after) = label.split_at(at);
                    prop_assert!(before.ends_with(|c: char| c.is_ascii_digit()));
                    prop_assert!(after[1..].starts_with(|c: char| c.is_ascii_digit()));
                }
            }
        }

        #[test]
        fn a_name_is_short_whatever_is_sent(user_agent in "\\PC*(Chrome/|iPad)\\PC*") {
            prop_assert!(device_name(&user_agent).is_none_or(|name| name.len() <= 32));
        }
    }
}
