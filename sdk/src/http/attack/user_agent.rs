//! What programs call themselves. Those that hide it are found by what they ask for.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::kind::Attack;

/// Tools that look for weaknesses.
static SCANNERS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i-u)sqlmap|nikto|nmap scripting|masscan|zgrab|\bnuclei\b|wpscan|gobuster|feroxbuster",
        r"|fuzz faster|\bffuf\b|dirbuster|\bdirb\b|wfuzz|acunetix|nessus|openvas|arachni|w3af|whatweb",
        r"|\(hydra\)|\bjorgee\b|\bzmeu\b|morfeus|\bhavij\b|commix|censysinspect|\bexpanse\b",
        r"|^hello,? world|l9explore|l9tcpid|netsystemsresearch|\bjaeles\b|\bxsstrike\b|\bwapiti\b",
        r"|\bskipfish\b|\bappscan\b|\bnetsparker\b|\bqualys\b",
    ))
});

/// Crawlers, and browsers that a program drives. `bot` only where a name ends with it:
/// telephones and people have it within theirs.
static BOTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i-u)[a-z0-9._-]*bot(?:[/;:,)(+\-.]|\s*\(|\s+\+|$)",
        r"|crawl|spider|\bslurp\b|scrapy|\bscraper\b|headlesschrome|phantomjs|httrack|heritrix",
        r"|\bnutch\b|\blarbin|ia_archiver|externalhit|externalagent|feedfetcher|\bcolly\b",
        // How a crawler says that it is no browser, and where to complain.
        r"|\(compatible;[^)]*\bhttps?://",
    ))
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant of the program, which the tests compile")
}

/// Compiles what the first request would otherwise wait for.
pub(super) fn prepare() {
    LazyLock::force(&SCANNERS);
    LazyLock::force(&BOTS);
}

/// Words of a service's own, in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub(super) welcome: Vec<String>,
    pub(super) unwelcome: Vec<String>,
}

/// What the program calls itself, if that is a scanner's or a bot's name.
pub(super) fn rule<'a>(agent: &'a [u8], words: &Words) -> Option<(Attack, &'a [u8])> {
    if let Some(scanner) = SCANNERS.find(agent) {
        return Some((Attack::Scanner, scanner.as_bytes()));
    }
    if words.welcome.iter().any(|word| find(agent, word).is_some()) {
        return None;
    }
    if let Some(word) = words.unwelcome.iter().find_map(|word| find(agent, word)) {
        return Some((Attack::Bot, word));
    }
    let bot = BOTS.find_iter(agent).map(|found| found.as_bytes());
    // A maker of telephones.
    let mut bots = bot.filter(|name| !begins(name, b"cubot"));
    Some((Attack::Bot, bots.next()?))
}

fn begins(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len())
        .is_some_and(|text| text.eq_ignore_ascii_case(start))
}

fn find<'a>(agent: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let mut windows = agent.windows(word.len().max(1));
    windows.find(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_who_is_welcome() {
        let words = Words {
            welcome: vec!["googlebot".to_owned()],
            unwelcome: vec!["python-requests".to_owned()],
        };
        let kind = |agent: &str| rule(agent.as_bytes(), &words).map(|(kind, _)| kind);
        assert_eq!(kind("Googlebot/2.1"), None);
        assert_eq!(kind("OtherBot/2.1"), Some(Attack::Bot));
        assert_eq!(kind("python-requests/2.32"), Some(Attack::Bot));
        assert_eq!(kind("sqlmap (Googlebot)"), Some(Attack::Scanner));
        assert_eq!(kind("CUBOT/1.0"), None);
        assert_eq!(kind(""), None);
    }
}
